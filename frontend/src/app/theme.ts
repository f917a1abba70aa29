/** Light, dark or as the system says; kept in this browser. Sets `data-theme` on <html>. */
import { create } from "zustand";

export type ThemeChoice = "light" | "dark" | "system";
const KEY = "tongyou.theme";
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");

function kept(): ThemeChoice {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "system";
  } catch {
    return "system";
  }
}

const resolve = (choice: ThemeChoice): "light" | "dark" =>
  choice === "system" ? (systemDark.matches ? "dark" : "light") : choice;

interface ThemeState {
  choice: ThemeChoice;
  shown: "light" | "dark";
}

export const useTheme = create<ThemeState>(() => ({ choice: kept(), shown: resolve(kept()) }));

function dress(): void {
  const { shown } = useTheme.getState();
  document.documentElement.dataset["theme"] = shown;
}

export function setTheme(choice: ThemeChoice): void {
  try {
    if (choice === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  } catch {
    // Without storage the choice lasts for this page only.
  }
  useTheme.setState({ choice, shown: resolve(choice) });
}

systemDark.addEventListener("change", () => {
  const { choice } = useTheme.getState();
  useTheme.setState({ shown: resolve(choice) });
});
useTheme.subscribe(dress);
dress();
