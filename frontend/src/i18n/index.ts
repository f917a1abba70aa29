/** Which language the screens speak: the choice kept in this browser, else the browser's. Only that
    one's texts are loaded; the other's when it is chosen. Both have the same keys (see the test). */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import type { Catalogue } from "./en";

export type Language = "en" | "zh";
const KEY = "tongyou.language";

export function preferredLanguage(): Language {
  const kept = readKept();
  if (kept) return kept;
  for (const tag of navigator.languages ?? [navigator.language]) {
    if (tag.toLowerCase().startsWith("zh")) return "zh";
    if (tag.toLowerCase().startsWith("en")) return "en";
  }
  return "en";
}

function readKept(): Language | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "en" || value === "zh" ? value : null;
  } catch {
    return null;
  }
}

export const hasChosenLanguage = (): boolean => readKept() !== null;

function dress(language: Language): void {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

export function setLanguage(language: Language, keep = true): void {
  if (keep) {
    try {
      localStorage.setItem(KEY, language);
    } catch {
      // Private windows may refuse storage: the choice then lasts for this page only.
    }
  }
  wanted = language;
  void load(language).then(() => {
    if (wanted !== language) return;
    void i18next.changeLanguage(language);
    dress(language);
  }, () => undefined); // Out of reach now: the screens go on in the language that they speak.
}

let wanted: Language = "en";

async function load(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, "translation")) i18next.addResourceBundle(language, "translation", await texts(language));
}

async function texts(language: Language): Promise<Catalogue> {
  return language === "zh" ? (await import("./zh")).zh : (await import("./en")).en;
}

export const currentLanguage = (): Language => (i18next.language === "zh" ? "zh" : "en");

const start = preferredLanguage();
dress(start);
const first = await texts(start);
void i18next.use(initReactI18next).init({
  lng: start,
  fallbackLng: false,
  resources: { [start]: { translation: first } },
  interpolation: { escapeValue: false },
  returnNull: false,
});

export { i18next };
