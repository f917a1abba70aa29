import { useDroppable } from "@dnd-kit/core";
import { Lightbulb } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useCanEdit, useStopIds } from "../../store";
import { IN_IDEAS, useView } from "../room/view";
import { AddStop } from "./AddStop";
import { gapId } from "./dnd";
import { StopRow } from "./StopRow";

/** Stops without a day. */
export function Ideas() {
  const { t } = useTranslation();
  const ids = useStopIds(null);
  const canEdit = useCanEdit();
  const adding = useView((s) => s.adding === IN_IDEAS);
  const dropHere = useView((s) => s.drop !== null && s.drop.day === null && s.drop.after === null);
  const { setNodeRef } = useDroppable({ id: gapId({ day: null, after: null }), data: { day: null, after: null } });
  return (
    <section className="day ideas" data-day="0" data-day-id={IN_IDEAS} data-testid="ideas" aria-label={t("ideas.title")}>
      <header ref={setNodeRef} className={`day-head ${dropHere ? "drop-after" : ""}`}>
        <span className="day-block day-block-soft" aria-hidden><Lightbulb size={18} /></span>
        <div className="day-words">
          <h2 className="day-title day-title-plain">{t("ideas.title")}</h2>
          <p className="day-date">{t("ideas.hint")}</p>
        </div>
      </header>
      <ol className="stops">{ids.map((id) => <StopRow key={id} id={id} n={0} />)}</ol>
      {ids.length === 0 && !adding ? <p className="day-empty">{t("ideas.empty")}</p> : null}
      {canEdit ? <AddStop list={IN_IDEAS} open={adding} /> : null}
    </section>
  );
}
