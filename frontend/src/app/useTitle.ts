import { useEffect } from "react";
import { useTranslation } from "react-i18next";

/** The browser tab's title: what it shows, then the app's name. */
export function useTitle(title: string | null): void {
  const { t } = useTranslation();
  useEffect(() => {
    document.title = title ? `${title} · ${t("app.name")}` : `${t("app.name")} · ${t("app.tagline")}`;
  }, [title, t]);
}
