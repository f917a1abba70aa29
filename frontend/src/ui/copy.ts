import { i18next } from "../i18n";
import { toast } from "./toast";

export async function copyText(text: string): Promise<void> {
  if (await written(text)) toast(i18next.t("common.copied"));
  else toast(i18next.t("common.copyFailed"), { tone: "bad" });
}

async function written(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writtenByCommand(text);
  }
}

/** Browsers have no `navigator.clipboard` on plain HTTP, as in a network at home; the old command works there. */
function writtenByCommand(text: string): boolean {
  const focused = document.activeElement;
  // Inside of an open dialog or menu, which would take the focus back from anywhere else.
  const place = focused?.closest("[role=dialog], [role=menu]") ?? document.body;
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.style.cssText = "position: fixed; opacity: 0; font-size: 16px";
  place.append(area);
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}
