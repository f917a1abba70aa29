import { useDroppable } from "@dnd-kit/core";
import { Lightbulb } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Fragment } from "react";
import { IDEAS, useCanEdit, useStopIds } from "../../store";
import { useSlots } from "../proposals/hooks";
import { Suggested } from "../proposals/Lazy";
import { IN_IDEAS, useView } from "../room/view";
import { AddStop } from "./AddStop";
import { gapId } from "./dnd";
import { StopRow } from "./StopRow";

/** Stops without a day. */
export function Ideas() {
  const { t } = useTranslation();
  const ids = useStopIds(null);
  const slots = useSlots(IDEAS);
  const canEdit = useCanEdit();
  const adding = useView((s) => s.adding === IN_IDEAS);
  const dropHere = useView((s) => s.drop !== null && s.drop.day === null && s.drop.after === null);
  const { setNodeRef } = useDroppable({ id: gapId({ day: null, after: null }), data: { day: null, after: null } });
  // Who only reads has nothing to put there.
  if (ids.length === 0 && !slots && !canEdit) return null;
  return (
    <section className="day ideas" data-day="0" data-day-id={IN_IDEAS} data-testid="ideas" aria-label={t("ideas.title")}>
      <header ref={setNodeRef} className={`day-head ${dropHere ? "drop-after" : ""}`}>
        <span className="day-block day-block-soft" aria-hidden><Lightbulb size={18} /></span>
        <div className="day-words">
          <h2 className="day-title day-title-plain">{t("ideas.title")}</h2>
          <p className="day-date">{t("ideas.hint")}</p>
        </div>
      </header>
      <ol className="stops">
        <Suggested slots={slots} after={null} />
        {ids.map((id) => <Fragment key={id}><StopRow id={id} n={0} /><Suggested slots={slots} after={id} /></Fragment>)}
      </ol>
      {ids.length === 0 && !adding && !slots ? <p className="day-empty">{t("ideas.empty")}</p> : null}
      <AddStop list={IN_IDEAS} open={adding} />
    </section>
  );
}
