import { describe, expect, it } from "vitest";
import { readAddresses } from "./addresses";

describe("addresses", () => {
  it("reads them with any separator, and each once", () => {
    expect(readAddresses("ann@example.org, bob@example.org;cyd@example.org\ndan@例子.中国，eva@example.org、Ann@Example.org").good).toEqual([
      "ann@example.org", "bob@example.org", "cyd@example.org", "dan@例子.中国", "eva@example.org",
    ]);
  });
  it("takes addresses out of what mail programs copy", () => {
    expect(readAddresses('"Lee, Ann" <ann@example.org>, 王小明 <wang@example.org>')).toEqual({
      good: ["ann@example.org", "wang@example.org"], bad: [],
    });
  });
  it("names what is none", () => {
    expect(readAddresses("ann@example, @example.org bob@example..org eva@example.org")).toEqual({
      good: ["eva@example.org"], bad: ["ann@example", "@example.org", "bob@example..org"],
    });
    expect(readAddresses("  \n ")).toEqual({ good: [], bad: [] });
  });
});
