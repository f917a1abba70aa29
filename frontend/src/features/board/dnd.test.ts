import { expect, test } from "vitest";
import { moveFor } from "./dnd";

const list = ["a", "b", "c", "d"];

test("a stop moves behind the stop of the gap", () => {
  expect(moveFor(["a"], { day: "d1", after: "c" }, list)).toEqual({ ids: ["a"], day: "d1", after: "c" });
});

test("dropping where it is changes nothing", () => {
  expect(moveFor(["b"], { day: "d1", after: "a" }, list)).toBeNull();
  expect(moveFor(["b"], { day: "d1", after: "b" }, list)).toBeNull();
  expect(moveFor(["a"], { day: "d1", after: null }, list)).toBeNull();
});

test("a gap behind a stop that moves along counts from the one before", () => {
  expect(moveFor(["b", "d"], { day: "d1", after: "b" }, list)).toEqual({ ids: ["b", "d"], day: "d1", after: "a" });
});

test("into another list, also an empty one", () => {
  expect(moveFor(["x"], { day: "d2", after: null }, [])).toEqual({ ids: ["x"], day: "d2", after: null });
  expect(moveFor(["x"], { day: null, after: "d" }, list)).toEqual({ ids: ["x"], day: null, after: "d" });
});
