// @vitest-environment jsdom
import "../../i18n";
import { cleanup, render } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { seeded } from "../../realtime/testing/fakeClock";
import { blocksOf } from "./blocks";
import Markdown, { webAddress } from "./Markdown";

afterEach(cleanup);

const show = (text: string): HTMLElement => render(<Markdown text={text} />).container;
/** Nothing in it that loads, runs, or leads anywhere but to a web page. */
function harmless(box: HTMLElement): void {
  expect(box.querySelectorAll("script, img, iframe, object, embed, style, link, form, svg:not(.lucide), video, audio, source, meta, base")).toHaveLength(0);
  for (const node of box.querySelectorAll("*")) {
    for (const { name, value } of node.attributes) {
      expect(name.startsWith("on"), `${name}=${value}`).toBe(false);
      expect(["src", "srcset", "style", "action", "formaction", "srcdoc", "poster"].includes(name) && !node.closest("svg, td, th"), `${name}=${value}`).toBe(false);
      if (name === "href") expect(value).toMatch(/^https?:\/\//);
    }
  }
}

describe("what a model writes", () => {
  it("is shown as Markdown", () => {
    const box = show("# Day 1\n\n**Old town** and ~~museum~~\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done");
    expect(box.querySelector(".md-head-1")?.textContent).toBe("Day 1");
    expect(box.querySelector("strong")?.textContent).toBe("Old town");
    expect(box.querySelectorAll("ol > li")).toHaveLength(2);
    expect(box.querySelector("table td")?.textContent).toBe("1");
    expect(box.textContent).toContain("☑");
    expect(box.querySelector("h1, h2, h3, input")).toBeNull();
  });

  it("leads to web pages only, in a tab that knows nothing of this one", () => {
    const box = show("[page](https://example.org/a?b=1) <https://example.org/c> www.example.org");
    const links = [...box.querySelectorAll("a")];
    expect(links).toHaveLength(3);
    for (const link of links) {
      expect(link.target).toBe("_blank");
      expect(link.rel).toBe("noopener noreferrer nofollow ugc");
    }
    harmless(box);
  });

  it.each([
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "text <b onclick=alert(1)>bold</b> <style>*{display:none}</style>",
    "<iframe src='https://evil.example'></iframe>\n\n<svg onload=alert(1)>", "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java\nscript:alert(1))", "[x](&#106;avascript:alert(1))", "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x)", "[x](file:///etc/passwd)", "[x](//evil.example)", "[x](/api/auth/logout)", "[x](#top)", "[x]( https://ok.example )",
    "![](https://evil.example/pixel.png)", "![secret](data:image/svg+xml;base64,PHN2Zz4=)", "![a][b]\n\n[b]: https://evil.example/p.png", "[![x](https://evil.example/p.png)](https://example.org)",
    "[x]: javascript:alert(1)\n\n[x]", "<javascript:alert(1)>", "`<script>`", "```html\n<script>alert(1)</script>\n```", "[^1]\n\n[^1]: note <img src=x>",
    "<!--\n--><img src=x onerror=alert(1)>", "<details open ontoggle=alert(1)>", "<math><mi xlink:href='javascript:alert(1)'>", "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
  ])("does no harm: %s", (text) => {
    harmless(show(text));
  });

  it("keeps the words of what it does not let through", () => {
    expect(show("[click me](javascript:alert(1))").textContent).toBe("click me");
    expect(show("<b>bold</b>").textContent).toContain("<b>bold</b>");
    const box = show("![a view](https://example.org/view.jpg)");
    expect(box.querySelector("a")?.href).toBe("https://example.org/view.jpg");
    expect(box.textContent).toContain("a view");
  });

  it("does no harm while it grows", () => {
    const whole = "See [a](https://a.example) ![p](https://evil.example/p.png) <img src=x onerror=alert(1)> [b](javascript:alert(1)) `code`\n\n```\n<script>\n```";
    const view = render(<Markdown text="" />);
    for (let n = 1; n <= whole.length; n += 4) {
      view.rerender(<Markdown text={whole.slice(0, n)} />);
      harmless(view.container);
    }
  });

  it("knows a web address", () => {
    expect(webAddress("https://example.org")).toBe("https://example.org/");
    for (const bad of ["javascript:alert(1)", "//x.y", "/x", "ftp://x.y", "https://", " https://x.y", undefined]) expect(webAddress(bad)).toBeNull();
  });
});

describe("blocks", () => {
  it("are cut where something new begins", () => {
    expect(blocksOf("one\n\ntwo\n\n\nthree")).toEqual(["one\n", "two\n\n", "three"]);
    expect(blocksOf("# head\ntext")).toEqual(["# head\ntext"]);
  });

  it("keep code, lists and what hangs on them whole", () => {
    expect(blocksOf("```\na\n\nb\n```\n\nafter")).toEqual(["```\na\n\nb\n```\n", "after"]);
    expect(blocksOf("~~~~\n```\n\n~~~\n\n~~~~\n\nx")).toEqual(["~~~~\n```\n\n~~~\n\n~~~~\n", "x"]);
    expect(blocksOf("1. a\n\n   more\n\n2. b\n\ntext\n\n- c")).toEqual(["1. a\n\n   more\n\n2. b\n", "text\n", "- c"]);
    expect(blocksOf("[a]\n\n[a]: https://x.y\n\nz")).toHaveLength(1);
  });

  it("lose nothing, and settled ones stay as they are while the text grows", () => {
    const chance = seeded(7);
    const parts = ["para", "- item", "1. one", "```", "", "", "    indented", "> quote", "| a | b |", "# h"];
    for (let round = 0; round < 200; round += 1) {
      const lines = Array.from({ length: 20 }, () => parts[Math.floor(chance() * parts.length)] as string);
      expect(blocksOf(lines.join("\n")).join("\n")).toBe(lines.join("\n"));
      const before = blocksOf(lines.slice(0, 15).join("\n"));
      const after = blocksOf(lines.join("\n"));
      expect(after.slice(0, before.length - 1)).toEqual(before.slice(0, -1));
    }
  });
});
