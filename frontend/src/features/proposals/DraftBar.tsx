/** Suggest mode at the foot of the board: what is drafted so far, to be sent or thrown away. */
import { PenLine, Send, X } from "lucide-react";
import { useEffect, useState } from "react";
import { codeText } from "../../app/session";
import { MAX_LENGTH } from "../../protocol.gen";
import { fits } from "../../realtime/draft";
import { useLinked, useDraft, useRoomClient, type DraftPiece } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Field } from "../../ui/Field";
import { toast } from "../../ui/toast";
import { usePhone } from "../../app/useMedia";
import { useText } from "../room/useText";
import { PieceDetail } from "./PieceRow";
import { plain, Rich, useSentence } from "./sentences";
import { reviewUi, useReviewUi } from "./ui";

export function DraftBar() {
  const { t } = useText();
  const draft = useDraft();
  const { review } = useRoomClient();
  const listed = useReviewUi((s) => s.draft);
  const unsent = draft.pieces.filter((piece) => piece.sentAs === null);
  const count = unsent.length;
  const sending = draft.pieces.length - count;
  const refused = unsent.some((piece) => piece.problem !== "");
  useEffect(() => { if (count === 0) reviewUi.draft(false); }, [count]);
  useEffect(() => { if (refused) toast(t("proposal.notSent"), { tone: "bad" }); }, [refused, t]);
  if (!draft.on && draft.pieces.length === 0) return null;
  function discard(): void {
    review.draft.discard();
    toast(t("proposal.discarded"), { action: { label: t("common.undo"), run: () => { review.draft.undo(); } } });
  }
  return (
    <>
      <div className="draft-bar" role="toolbar" aria-label={t("proposal.draftTitle")} data-testid="draft-bar">
        <PenLine size={16} aria-hidden />
        {count > 0 ? (
          <button type="button" className="draft-count num" aria-haspopup="dialog" onClick={() => reviewUi.draft(true)}>{t("proposal.draft", { count })}</button>
        ) : <span className="draft-none">{t(sending > 0 ? "proposal.draftSending" : "proposal.draftEmpty")}</span>}
        {count > 0 ? (
          <>
            <Button size="sm" variant="ghost" onClick={discard}>{t("proposal.discard")}</Button>
            <Button size="sm" variant="primary" icon={<Send size={14} aria-hidden />} onClick={() => reviewUi.draft(true)}>{t("proposal.send")}</Button>
          </>
        ) : null}
        {draft.on && count === 0 ? <Button size="sm" variant="ghost" onClick={() => review.suggest(false)}>{t("proposal.leave")}</Button> : null}
      </div>
      {listed && count > 0 ? <DraftDialog pieces={unsent} /> : null}
    </>
  );
}

function DraftDialog({ pieces }: { pieces: readonly DraftPiece[] }) {
  const { t } = useText();
  const { review } = useRoomClient();
  const phone = usePhone();
  const [note, setNote] = useState("");
  const live = useLinked();
  const sendable = pieces.some(fits);
  function send(): void {
    if (!review.send(note)) return;
    reviewUi.draft(false);
    toast(t(live ? "proposal.sent" : "talk.offline"));
  }
  return (
    <Dialog
      open onClose={() => reviewUi.draft(false)} title={t("proposal.draftTitle")} kind={phone ? "sheet" : "center"} className="draft-dialog"
      footer={<Button variant="primary" icon={<Send size={15} aria-hidden />} disabled={!sendable} onClick={send}>{t("proposal.send")}</Button>}
    >
      <ol className="pieces">{pieces.map((piece, n) => <DraftRow key={piece.id} piece={piece} n={n} among={pieces} />)}</ol>
      <Field label={t("proposal.note")}>
        {(ids) => (
          <textarea
            {...ids} className="input" rows={2} value={note} maxLength={MAX_LENGTH.message.text} placeholder={t("proposal.notePlaceholder")} onChange={(e) => setNote(e.target.value)}
            onKeyDown={(event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.nativeEvent.isComposing) send(); }}
          />
        )}
      </Field>
    </Dialog>
  );
}

function DraftRow({ piece, n, among }: { piece: DraftPiece; n: number; among: readonly DraftPiece[] }) {
  const { t } = useText();
  const { review } = useRoomClient();
  const sentence = useSentence()({ op: piece.op, changes: piece.changes, among: among.map((each) => each.op) });
  return (
    <li className={`piece ${fits(piece) ? "" : "piece-stale"}`} data-testid={`draft-${n}`}>
      <span className="sug-num num" aria-hidden>{n + 1}</span>
      <div className="piece-body">
        <p className="piece-words"><Rich text={sentence} /></p>
        <PieceDetail piece={{ op: piece.op, changes: [...piece.changes] }} />
        {fits(piece) ? null : <p className="piece-stale">{t("proposal.draftGone")}</p>}
        {piece.problem ? <p className="piece-stale">{t("proposal.draftProblem", { why: codeText(piece.problem, piece.problem, t) })}</p> : null}
      </div>
      <span className="piece-side">
        <IconButton label={t("proposal.draftDrop", { what: plain(sentence) })} tip={false} onClick={() => review.draft.drop(piece.id)}><X size={17} aria-hidden /></IconButton>
      </span>
    </li>
  );
}
