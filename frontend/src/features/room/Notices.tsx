/** Trouble that needs an answer: refused changes, and fields that two people set at once. */
import { GitMerge, TriangleAlert } from "lucide-react";
import { codeText } from "../../app/session";
import type { RecordType } from "../../protocol.gen";
import { useConflicts, useFailures, useRoomState, type Conflict, type Failure } from "../../store";
import { Button } from "../../ui/Button";
import { fieldLabel, showValue } from "../history/values";
import { useText } from "./useText";
import { useView } from "./view";

export function Notices() {
  const conflicts = useConflicts();
  // What could not be said is shown where it was to be said, while that is on the screen.
  const talking = useView((s) => s.drawer === "talk" || s.tab === "talk" || s.thread !== null);
  const failures = useFailures().filter((failure) => !talking || failure.op.kind !== "message.post");
  if (conflicts.length + failures.length === 0) return null;
  return (
    <div className="room-notices" data-testid="notices">
      {failures.slice(-3).map((failure) => <FailureCard key={failure.id} failure={failure} />)}
      {conflicts.slice(-3).map((conflict) => <ConflictCard key={conflict.id} conflict={conflict} />)}
    </div>
  );
}

function FailureCard({ failure }: { failure: Failure }) {
  const { t, name } = useText();
  const id = "id" in failure.op ? failure.op.id : "ids" in failure.op ? failure.op.ids[0] : undefined;
  const stop = useRoomState((s) => (id ? s.stops.get(id) : undefined));
  // Nothing of an undo is lost when it is refused, and the same undo would be refused again.
  if (failure.op.kind === "undo") {
    return (
      <div className="room-notice" role="status" data-testid="undo-refused">
        <TriangleAlert size={18} aria-hidden />
        <div>
          <p>{failure.code === "photo_gone" ? codeText(failure.code, failure.message, t) : t("live.undoConflict")}</p>
          <div className="room-notice-actions">
            <Button size="sm" variant="ghost" onClick={() => failure.discard()}>{t("common.close")}</Button>
          </div>
        </div>
      </div>
    );
  }
  return (
    <div className="room-notice room-notice-bad" role="alert" data-testid="failure">
      <TriangleAlert size={18} aria-hidden />
      <div>
        <b>{t("live.failedTitle")}{stop ? ` · ${name(stop)}` : ""}</b>
        <p>{codeText(failure.code, failure.message, t)}</p>
        {failure.op.kind === "message.post" || failure.op.kind === "message.edit" ? <blockquote className="notice-quote">{failure.op.text}</blockquote> : null}
        <div className="room-notice-actions">
          <Button size="sm" onClick={() => failure.retry()}>{t("live.failedRetry")}</Button>
          <Button size="sm" variant="ghost" onClick={() => failure.discard()}>{t("live.failedDrop")}</Button>
        </div>
      </div>
    </div>
  );
}

function useRecordName(record: RecordType, id: string): string {
  const { t, name, dayName } = useText();
  return useRoomState((s) => {
    if (record === "stop") return name(s.stops.get(id));
    if (record === "day") return dayName(s.days.find((day) => day.id === id), { n: s.days.findIndex((day) => day.id === id) + 1, color: 0 });
    return record === "member" ? (s.members.get(id)?.name ?? "") : (s.trip?.title ?? t("room.untitled"));
  });
}

function ConflictCard({ conflict }: { conflict: Conflict }) {
  const text = useText();
  const { t } = text;
  const who = useRoomState((s) => s.members.get(conflict.who));
  const what = useRecordName(conflict.record, conflict.recordId);
  const currency = useRoomState((s) => s.stops.get(conflict.recordId)?.cost_currency ?? s.trip?.currency ?? "CNY");
  const show = (value: unknown) => showValue(conflict.field, value, text, currency);
  const now = conflict.outcome === "lost" ? conflict.theirs : conflict.mine;
  const other = conflict.outcome === "lost" ? conflict.mine : conflict.theirs;
  return (
    <div className="room-notice" role="status" data-testid="conflict" data-who={(who?.color ?? 0) % 8}>
      <GitMerge size={18} aria-hidden />
      <div>
        <b>{t("live.conflict", { who: who?.name ?? t("common.someone"), field: fieldLabel(conflict.record, conflict.field, t), what })}</b>
        <p><span className="muted">{t("live.theirs")}</span> {show(now)}</p>
        <p><span className="muted">{conflict.outcome === "lost" ? t("live.mine") : (who?.name ?? t("common.someone"))}</span> {show(other)}</p>
        <div className="room-notice-actions">
          <Button size="sm" onClick={() => conflict.keepMine()}>{t("live.keepMine")}</Button>
          <Button size="sm" variant="ghost" onClick={() => conflict.takeTheirs()}>{t("live.keepTheirs")}</Button>
        </div>
      </div>
    </div>
  );
}
