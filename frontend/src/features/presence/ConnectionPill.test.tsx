// @vitest-environment jsdom
import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeAll, expect, test } from "vitest";
import { i18next } from "../../i18n";
import { en } from "../../i18n/en";
import { noStorage } from "../../realtime/storage";
import { FakeSurroundings } from "../../realtime/testing/fakeSurroundings";
import { makeServer } from "../../realtime/testing/room";
import { openRoom, RoomContext } from "../../store";
import { ConnectionPill } from "./ConnectionPill";

beforeAll(async () => {
  i18next.addResourceBundle("en", "translation", en);
  await i18next.changeLanguage("en");
});
afterEach(cleanup);

async function setup() {
  const { clock, server } = makeServer();
  const surroundings = new FakeSurroundings();
  const room = openRoom({ tripId: "trip", userId: "ann", clock, surroundings, storage: noStorage, url: "ws://test", openSocket: server.opener("ann") });
  await act(async () => undefined);
  act(() => clock.advance(100));
  render(<RoomContext.Provider value={room}><ConnectionPill compact={false} /></RoomContext.Provider>);
  const restart = (retryAfterMs: number) => act(() => {
    for (const socket of [...server.sockets]) socket.cut(1012, "restart", { resume: true, retryAfterMs });
    clock.advance(20);
  });
  const word = () => screen.getByRole("status").textContent;
  const rename = () => act(() => { room.client.submit({ kind: "stop.set_fields", id: "a", fields: { name: "Erhai" } }); });
  return { clock, surroundings, server, restart, word, rename, pill: screen.getByTestId("connection") };
}

test("a short planned restart says nothing; what is edited meanwhile is being saved, and then it is", async () => {
  const { clock, restart, word, rename, pill, server } = await setup();
  expect(word()).toBe("Live");
  restart(1_000);
  expect(word()).toBe("Live");
  expect(pill.dataset).toMatchObject({ state: "reconnecting", pending: "0" });
  rename();
  expect(word()).toBe(en.connection.saving_one.replace("{{count}}", "1"));
  act(() => clock.advance(1_200));
  expect(word()).toBe("Live");
  expect(pill.dataset).toMatchObject({ state: "live", pending: "0" });
  expect(server.log.at(-1)?.kind).toBe("stop.set_fields");
});

test("a long one says so after two seconds, with what waits; no network says so at once", async () => {
  const { clock, surroundings, restart, word, rename } = await setup();
  restart(60_000);
  rename();
  act(() => clock.advance(2_000));
  expect(word()).toContain(en.connection.reconnecting);
  expect(word()).toContain("1");
  act(() => clock.advance(60_000));
  expect(word()).toBe("Live");
  restart(1_000);
  act(() => surroundings.say("offline"));
  expect(word()).toBe(en.connection.offline);
});
