/** Which language the screens speak: the choice kept in this browser, else the browser's. */
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./en";
import { zh } from "./zh";

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
  void i18next.changeLanguage(language);
  dress(language);
}

export const currentLanguage = (): Language => (i18next.language === "zh" ? "zh" : "en");

const start = preferredLanguage();
dress(start);
void i18next.use(initReactI18next).init({
  lng: start,
  fallbackLng: "en",
  resources: { en: { translation: en }, zh: { translation: zh } },
  interpolation: { escapeValue: false },
  returnNull: false,
});

export { i18next };
