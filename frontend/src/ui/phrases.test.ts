import { expect, test } from "vitest";
import { phrases } from "./phrases";

test.each([
  ["和小梅的云南之旅", ["和小梅的", "云南之旅"]],
  ["小梅和阿力的沙溪周末", ["小梅和阿力的", "沙溪周末"]],
  ["目的地指南", ["目的地指南"]],
  ["云南慢行：大理、沙溪、丽江八日", ["云南慢行：大理、沙溪、丽江八日"]],
  ["五月去云南看洱海和玉龙雪山", ["五月去云南看洱海和玉龙雪山"]],
  ["2027年春节东京大阪七日自由行", ["2027年春节", "东京", "大阪", "七日", "自由行"]],
  ["川西Road Trip计划", ["川西", "Road Trip", "计划"]],
  ["Yunnan in May", ["Yunnan in May"]],
  ["", []],
])("%s", (title, expected) => {
  expect(phrases(title)).toEqual(expected);
});
