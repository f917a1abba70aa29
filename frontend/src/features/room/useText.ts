/** Words for things of the trip in the reader's language. */
import { useTranslation } from "react-i18next";
import { useLanguage } from "../../app/useLanguage";
import { formatDate, formatMoney, pickNames } from "../../i18n/format";
import type { Language } from "../../i18n";
import type { Day, Stop } from "../../protocol.gen";
import type { DayMark } from "./itinerary";

export function stopName(stop: Stop | null | undefined, language: Language, unnamed: string): string {
  if (!stop) return unnamed;
  return pickNames(stop.name, stop.name_alt, language).main || unnamed;
}

export function useText() {
  const { t } = useTranslation();
  const language = useLanguage();
  return {
    t,
    language,
    name: (stop: Stop | null | undefined) => stopName(stop, language, t("stop.unnamed")),
    dayName: (day: Day | null | undefined, mark: DayMark) => {
      if (!day) return t("ideas.title");
      const number = mark.n > 0 ? t("day.number", { n: mark.n }) : t("day.unscheduled");
      return day.title ? `${number} · ${day.title}` : day.date ? `${number} · ${formatDate(day.date, language)}` : number;
    },
    costs: (sums: Map<string, number>) => [...sums].map(([code, minor]) => formatMoney(minor, code, language)).join(" + "),
  };
}
