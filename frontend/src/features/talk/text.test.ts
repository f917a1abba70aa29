import { expect, test } from "vitest";
import { asEmoji, mentionsIn, tokens, triggerAt } from "./text";

const people = [{ id: "m", names: ["Mei"] }, { id: "l", names: ["Mei Ling"] }, { id: "w", names: ["小王"] }, { id: "assistant", names: ["助手", "assistant"] }];
const shape = (text: string) => tokens(text, people).map((each) => (each.kind === "text" ? each.text : [each.kind, each.text]));

test("web addresses become links that show their host; the sentence around them does not", () => {
  expect(shape("see https://www.example.org/a(b). Or (http://x.test/y), ok")).toEqual([
    "see ", ["link", "example.org/a(b)"], ". Or (", ["link", "x.test/y"], "), ok",
  ]);
  expect(shape("看https://example.org/杭州，很好")).toEqual(["看", ["link", "example.org/杭州"], "，很好"]);
});

test("nothing but http and https is a link, and no address with a name before its host", () => {
  for (const text of ["javascript:alert(1)", "data:text/html,x", "https://bank.example@evil.test/", "https://"]) {
    expect(shape(text)).toEqual([text]);
  }
});

test("a long address is cut, its host never", () => {
  const [link] = tokens(`https://${"a".repeat(60)}.example.org/${"b".repeat(200)}`, []);
  expect(link?.text.startsWith(`${"a".repeat(60)}.example.org/`)).toBe(true);
  expect(link?.text.endsWith("…")).toBe(true);
});

test("mentions are found by the longest name", () => {
  expect(shape("@Mei Ling and @mei, ask @助手")).toEqual([["mention", "@Mei Ling"], " and ", ["mention", "@mei"], ", ask ", ["mention", "@助手"]]);
  expect(shape("＠小王你好 @Meister a@mei")).toEqual([["mention", "＠小王"], "你好 @Meister a", ["mention", "@mei"]]);
  expect(mentionsIn("@Mei Ling @assistant", people)).toEqual(["l", "assistant"]);
});

test("of two with one name the one that was picked is meant", () => {
  const twins = [{ id: "1", names: ["Li"] }, { id: "2", names: ["Li"] }];
  expect(mentionsIn("@Li", twins)).toEqual(["1", "2"]);
  expect(mentionsIn("@Li", twins, new Set(["2"]))).toEqual(["2"]);
});

test("what is typed at the caret asks for suggestions", () => {
  expect(triggerAt("hi @me", 6)).toEqual({ kind: "@", query: "me", from: 3 });
  expect(triggerAt("＃西", 2)).toEqual({ kind: "#", query: "西", from: 0 });
  expect(triggerAt("@Mei Li", 7)).toEqual({ kind: "@", query: "Mei Li", from: 0 });
  for (const [text, caret] of [["mail a@b", 8], ["@ x", 3], ["@a b c", 6], ["hi @me", 2], ["https://x.test/#a", 17]] as const) {
    expect(triggerAt(text, caret), text).toBeNull();
  }
});

test("one emoji is taken, and only that", () => {
  expect(asEmoji(" 👩‍👩‍👧‍👦👍")).toBe("👩‍👩‍👧‍👦");
  expect(asEmoji("🇨🇳")).toBe("🇨🇳");
  expect(asEmoji("1️⃣")).toBe("1️⃣");
  for (const text of ["", "a", "1", "好", "<b>"]) expect(asEmoji(text), text).toBeNull();
});
