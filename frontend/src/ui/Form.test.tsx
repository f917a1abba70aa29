// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { i18next } from "../i18n";
import { en } from "../i18n/en";
import { zh } from "../i18n/zh";
import { TextField } from "./Field";
import { Form } from "./Form";

beforeAll(() => {
  i18next.addResourceBundle("en", "translation", en);
  i18next.addResourceBundle("zh", "translation", zh);
});
afterEach(cleanup);

async function setup() {
  await i18next.changeLanguage("zh");
  const onSubmit = vi.fn();
  render(
    <Form aria-label="form" onSubmit={onSubmit}>
      <TextField label="name" required />
      <TextField label="email" type="email" />
      <TextField label="password" type="password" required minLength={10} hint="hint" />
    </Form>,
  );
  const box = (label: string) => screen.getByLabelText<HTMLInputElement>(label);
  const type = (label: string, value: string) => fireEvent.input(box(label), { target: { value } });
  const note = (label: string) => document.getElementById(box(label).getAttribute("aria-describedby") ?? "")?.textContent;
  const submit = () => fireEvent.submit(screen.getByRole("form"));
  return { onSubmit, box, type, note, submit };
}

test("what is missing is said at the field, in the language of the page, and the first of it gets the focus", async () => {
  const { onSubmit, box, note, type, submit } = await setup();
  expect(screen.getByRole<HTMLFormElement>("form").noValidate).toBe(true);
  type("name", "  ");
  type("email", "nobody");
  type("password", "123456789");
  expect(screen.queryByRole("alert")).toBeNull();
  submit();
  expect(onSubmit).not.toHaveBeenCalled();
  expect(["name", "email", "password"].map(note)).toEqual(["请填写这一项。", "这不是有效的邮箱地址。", "至少 10 个字符。"]);
  expect(box("password").getAttribute("aria-invalid")).toBe("true");
  expect(document.activeElement).toBe(box("name"));
  await act(() => i18next.changeLanguage("en"));
  expect(note("password")).toBe("At least 10 characters.");
});

test("a complaint goes when it is met, then the form is sent", async () => {
  const { onSubmit, box, note, type, submit } = await setup();
  submit();
  type("name", "Ann");
  expect(box("name").getAttribute("aria-invalid")).toBeNull();
  type("password", "short");
  expect(note("password")).toBe("至少 10 个字符。");
  type("password", "long enough");
  expect(note("password")).toBe("hint");
  submit();
  expect(onSubmit).toHaveBeenCalledTimes(1);
});
