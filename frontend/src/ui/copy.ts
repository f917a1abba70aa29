import { i18next } from "../i18n";
import { toast } from "./toast";

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(i18next.t("common.copied"));
  } catch {
    toast(i18next.t("common.copyFailed"), { tone: "bad" });
  }
}
