import { describe, expect, it } from "vitest";
import { ApiError, type Export } from "../../api";
import { FakeClock } from "../../realtime/testing/fakeClock";
import { Exporting, keyOf, type ExportApi } from "./exporting";

const shown = (more: Partial<Export> = {}): { export: Export } => ({
  export: { id: "E1", trip_id: "T", format: "page", locale: "zh", status: "queued", created_at: "", expires_at: "", error: null, name: null, size: null, ...more },
});
const lost = () => new ApiError(0, "network", "the server could not be reached", true);

function make(...answers: ({ export: Export } | Error)[]) {
  const clock = new FakeClock(() => 0);
  const saved: [string, string][] = [];
  const asked: string[] = [];
  const next = async () => {
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer ?? new ApiError(404, "not_found", "no more", false);
    return answer;
  };
  const api: ExportApi = {
    startExport: (id, format, locale) => { asked.push(`${id} ${format} ${locale}`); return next(); },
    exported: next,
  };
  const exporting = new Exporting(api, (id, name) => saved.push([id, name]), clock);
  const run = async () => {
    const done = exporting.start("T", "page", "zh");
    for (let n = 0; n < 30; n += 1) {
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      clock.advance(3_000);
    }
    await done;
    return exporting.store.getState()[keyOf("T", "page")];
  };
  return { exporting, saved, asked, run, clock };
}

describe("an export", () => {
  it("is asked for, waited for and saved once", async () => {
    const { run, saved, asked } = make(shown(), shown(), shown({ status: "running" }), shown({ status: "done", name: "云南.html" }));
    expect(await run()).toEqual({ status: "done", id: "E1", name: "云南.html" });
    expect(saved).toEqual([["E1", "云南.html"]]);
    expect(asked).toEqual(["T page zh"]);
  });

  it("says why it failed, and may be tried again", async () => {
    const { run, saved } = make(shown(), shown({ status: "failed", error: "too_large" }), shown(), shown({ status: "done", name: "x" }));
    expect(await run()).toMatchObject({ status: "failed", error: { code: "too_large" } });
    expect(saved).toEqual([]);
    expect(await run()).toMatchObject({ status: "done" });
  });

  it("is not lost when the network is away for a moment", async () => {
    const { run } = make(shown(), lost(), lost(), shown({ status: "done", name: "x" }));
    expect(await run()).toMatchObject({ status: "done" });
  });

  it("gives up when nobody answers, or it is not there any more", async () => {
    expect(await make(shown(), lost(), lost(), lost(), lost(), lost()).run()).toMatchObject({ status: "failed", error: { code: "network" } });
    expect(await make(shown()).run()).toMatchObject({ status: "failed", error: { code: "not_found" } });
    expect(await make(new ApiError(429, "exports_busy", "wait", true)).run()).toMatchObject({ status: "failed", error: { code: "exports_busy" } });
  });

  it("is asked for once while it is under way", async () => {
    const { exporting, run, asked } = make(shown(), shown({ status: "done", name: "x" }));
    const first = run();
    await exporting.start("T", "page", "zh");
    await first;
    expect(asked).toHaveLength(1);
  });
});
