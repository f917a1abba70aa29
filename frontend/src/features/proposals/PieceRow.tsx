import { Check, CircleCheck, CircleSlash, Clock3, TriangleAlert, X } from "lucide-react";
import type { RecordType, Stop } from "../../protocol.gen";
import { useRoomClient, useRoomState, type ShownPiece, type ShownProposal } from "../../store";
import { IconButton } from "../../ui/Button";
import { KindIcon } from "../board/kinds";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { jumpTo } from "../talk/records";
import { Diff } from "./Diff";
import { diffs, labelOf } from "./marks";
import { useDeciding, useFocused } from "./ProposalCard";
import { plain, Rich, useSentence } from "./sentences";
import { useDecline } from "./useDecline";

interface Props {
  proposal: ShownProposal;
  piece: ShownPiece;
  n: number;
  label: string;
  mayAccept: boolean;
  mayDecline: boolean;
  /** One's own, without the right to accept: it is withdrawn rather than declined. */
  own: boolean;
}

export function PieceRow({ proposal, piece, n, label, mayAccept, mayDecline, own }: Props) {
  const { t } = useText();
  const { review } = useRoomClient();
  const decline = useDecline();
  const sentence = useSentence()({ op: piece.op, changes: piece.changes, among: proposal.pieces.map((each) => each.op) });
  const deciding = useDeciding(proposal.id, n);
  const box = useFocused(proposal.id, n);
  const waits = piece.status === "open" || piece.status === "stale";
  const target = subject(piece);
  const here = useRoomState((s) => target !== null && (target.t === "stop" ? s.stops.has(target.id) : target.t === "day" ? s.days.some((day) => day.id === target.id) : true));
  const words = plain(sentence);
  return (
    <li
      ref={box} className={`piece piece-${piece.status}`} data-testid={`piece-${n}`} data-status={piece.status}
      onMouseEnter={() => { if (target?.t === "stop") view.hover(target.id); }} onMouseLeave={() => view.hover(null)}
    >
      <span className="sug-num num" role="img" aria-label={t("proposal.pieceAria", { label })}>{label}</span>
      <div className="piece-body">
        {here && target ? <button type="button" className="piece-words" onClick={() => jumpTo(target)}><Rich text={sentence} /></button> : <p className="piece-words"><Rich text={sentence} /></p>}
        <PieceDetail piece={piece} />
        {piece.status === "open" && piece.needs.some((need) => proposal.pieces[need]?.status === "open") ? <Needs proposal={proposal} piece={piece} /> : null}
        {piece.status === "stale" ? (
          <p className="piece-stale"><TriangleAlert size={13} aria-hidden /><span><b>{t("proposal.stale")}.</b> {t(`proposal.reason.${piece.reason}`, { defaultValue: t("proposal.reason.other") })}</span></p>
        ) : null}
      </div>
      <span className="piece-side">
        {deciding ? <Clock3 size={16} className="muted" role="img" aria-label={t("proposal.deciding")} />
          : piece.status === "accepted" ? <CircleCheck size={17} className="piece-yes" role="img" aria-label={t("proposal.accepted")} />
          : piece.status === "declined" ? <CircleSlash size={17} className="piece-no" role="img" aria-label={t("proposal.declined")} />
          : (
            <>
              {mayAccept && piece.status === "open" && proposal.pieces.length > 1 ? <IconButton className="piece-accept" label={t("proposal.acceptOne", { what: words })} tip={false} title={t("proposal.accept")} onClick={() => review.accept(proposal.id, [n])}><Check size={17} aria-hidden /></IconButton> : null}
              {mayDecline && waits && proposal.pieces.length > 1 ? <IconButton className="piece-decline" label={t("proposal.declineOne", { what: words })} tip={false} title={t(own ? "proposal.withdraw" : "proposal.decline")} onClick={() => decline(proposal.id, [n], 1, own)}><X size={17} aria-hidden /></IconButton> : null}
            </>
          )}
      </span>
    </li>
  );
}

function Needs({ proposal, piece }: { proposal: ShownProposal; piece: ShownPiece }) {
  const { t, language } = useText();
  const open = useRoomState((s) => s.proposals.open);
  const numbers = piece.needs.filter((need) => proposal.pieces[need]?.status === "open").map((need) => labelOf(open, proposal.id, need));
  return <p className="piece-needs">{t("proposal.needs", { numbers: numbers.join(language === "zh" ? "、" : ", ") })}</p>;
}

export function PieceDetail({ piece }: { piece: Pick<ShownPiece, "op" | "changes"> }) {
  const { op, changes } = piece;
  if (op.kind === "stop.add") return <Added stop={op.fields as Partial<Stop>} />;
  if (op.kind === "stop.set_fields") return <Diff t="stop" id={op.id} fields={diffs(changes, op.id)} />;
  if (op.kind === "day.set_fields") return <Diff t="day" id={op.id} fields={diffs(changes, op.id)} />;
  if (op.kind === "trip.set_fields") return <Diff t="trip" id="" fields={changes.flatMap((change) => diffs([change], change.id))} />;
  return null;
}

/** What is known of a stop that would be added, in a line. */
function Added({ stop }: { stop: Partial<Stop> }) {
  const { t } = useText();
  const time = [stop.start_time, stop.end_time].filter(Boolean).join(" – ");
  const note = (stop.notes ?? "").split("\n").find((line) => line.trim()) ?? "";
  return (
    <p className="piece-added">
      <span className="piece-kind"><KindIcon kind={stop.kind ?? "sight"} size={13} />{t(`kind.${stop.kind ?? "sight"}`)}</span>
      {time ? <span className="num">{time}</span> : null}
      {stop.place_name ? <span>{stop.place_name}</span> : null}
      {note ? <span>{note}</span> : null}
    </p>
  );
}

/** The record that a piece is about, to go there. */
export function subject({ op }: Pick<ShownPiece, "op">): { t: Exclude<RecordType, "member">; id: string } | null {
  if (op.kind === "stop.move") return { t: "stop", id: op.ids[0] as string };
  if (op.kind === "trip.set_fields" || op.kind === "trip.set_dates") return null;
  return { t: op.kind.startsWith("stop.") ? "stop" : "day", id: op.id };
}
