import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeAll, expect, test } from "vitest";
import { setLanguage } from "../../i18n";
import { ASSISTANT, OPERATOR } from "../../protocol.gen";
import { noStorage } from "../../realtime/storage";
import { FakeSurroundings } from "../../realtime/testing/fakeSurroundings";
import { makeServer } from "../../realtime/testing/room";
import { openRoom, RoomContext, type Room } from "../../store";
import { AuthorFace, useAuthorName, useNameOf } from "./people";

beforeAll(() => setLanguage("en", false));
afterEach(cleanup);

const AUTHORS = ["ann", ASSISTANT, OPERATOR, "nobody"];

function Names() {
  const nameOf = useNameOf();
  return <ul>{AUTHORS.map((id) => <Name key={id} id={id} other={nameOf(id)} />)}</ul>;
}

function Name({ id, other }: { id: string; other: string }) {
  return <li><AuthorFace id={id} size={24} /><b>{useAuthorName(id)}</b> <i>{other}</i></li>;
}

test("whoever is no member is called by what they are, in both languages", async () => {
  const { clock, server } = makeServer();
  const room: Room = openRoom({
    tripId: "trip", userId: "ann", clock, surroundings: new FakeSurroundings(), storage: noStorage, url: "ws://test",
    openSocket: server.opener("ann"), talk: server.talk.source("ann"),
  });
  await act(async () => undefined);
  act(() => clock.advance(100));
  const { container } = render(<RoomContext.Provider value={room}><Names /></RoomContext.Provider>);
  const names = (tag: string) => [...container.querySelectorAll(tag)].map((each) => each.textContent);
  expect(names("b")).toEqual([room.store.getState().members.get("ann")?.name, "Assistant", "An operator", "Someone"]);
  expect(names("i")).toEqual(names("b"));
  expect(container.querySelectorAll(".avatar-operator svg")).toHaveLength(1);
  act(() => setLanguage("zh", false));
  expect(await screen.findAllByText("管理员")).toHaveLength(2);
  expect(names("b").slice(1)).toEqual(["助手", "管理员", "有人"]);
});
