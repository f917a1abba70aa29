/** Questions to tap, made from the trip as it stands. */
import { useRoomState } from "../../store";
import { dayMarks } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView } from "../room/view";

export function useQuestions(): string[] {
  const { t } = useText();
  const chosen = useView((s) => s.day);
  const days = useRoomState((s) => s.days);
  const trip = useRoomState((s) => s.trip);
  const stopIds = useRoomState((s) => s.stopIds);
  const marks = dayMarks(days, trip);
  const planned = days.flatMap((day) => {
    const n = marks.get(day.id)?.n ?? 0;
    return n > 0 ? [{ n, id: day.id, stops: stopIds.get(day.id)?.length ?? 0 }] : [];
  });
  if (planned.every((day) => day.stops === 0)) return [t("ai.suggest.start"), t("ai.suggest.budget")];
  const emptiest = planned.reduce((a, b) => (b.stops < a.stops ? b : a));
  const fullest = planned.reduce((a, b) => (b.stops > a.stops ? b : a));
  const now = planned.find((day) => day.id === chosen);
  return [
    t("ai.suggest.missing", { n: (now ?? emptiest).n }), t("ai.suggest.order", { n: (now ?? fullest).n }),
    t("ai.suggest.food", { n: (now ?? fullest).n }), t("ai.suggest.rain", { n: (now ?? fullest).n }), t("ai.suggest.budget"),
  ];
}
