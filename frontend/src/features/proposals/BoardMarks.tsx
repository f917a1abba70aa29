/** Suggestions where they belong on the board: chips on what would change, ghosts of what would come. */
import { ArrowRightLeft, CornerDownRight, Minus, PenLine, Plus } from "lucide-react";
import type { ReactNode } from "react";
import type { RecordType } from "../../protocol.gen";
import { useRoomState, useStop, type ShownProposal } from "../../store";
import { pickNames } from "../../i18n/format";
import { KindIcon } from "../board/kinds";
import { useDayMark } from "../room/itinerary";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { Diff } from "./Diff";
import { useDayMarks, useGhostDays, useStopMarks, useTripMarks, type Ghost, type GhostDay, type Mark } from "./hooks";
import type { PieceRef, Slots, What } from "./marks";
import { plain, useDayWord, useSentence } from "./sentences";
import { reviewUi } from "./ui";

const ICONS: Record<What, typeof Plus> = { added: Plus, changed: PenLine, moved: ArrowRightLeft, removed: Minus };

/** Opens the piece where it is decided, or where the draft is sent. */
const open = ({ proposal, piece }: PieceRef): void => {
  if (proposal === null) reviewUi.draft(true);
  else reviewUi.review(proposal, piece);
};

const NO_PIECES: ShownProposal["pieces"] = [];

/** A badge that is a button: its number leads to the card, its words say what is suggested. */
function Chip({ mark, children }: { mark: Pick<Mark, "ref" | "what">; children: ReactNode }) {
  const { t } = useText();
  const Icon = ICONS[mark.what];
  const words = useSentence();
  const { proposal, piece } = mark.ref;
  const draft = proposal === null;
  const drafted = useRoomState((s) => (draft ? s.draft.pieces[piece] : undefined));
  const pieces = useRoomState((s) => (proposal === null ? NO_PIECES : (s.proposals.byId.get(proposal)?.pieces ?? NO_PIECES)));
  const found = drafted ?? pieces[piece];
  const what = found ? plain(words({ op: found.op, changes: found.changes, among: pieces.map((each) => each.op) })) : t(`proposal.what.${mark.what}`);
  return (
    <button type="button" className={`sug sug-${mark.what} ${draft ? "sug-draft" : ""}`} aria-label={t("proposal.badge", { label: mark.ref.label, what })} data-testid={`sug-${mark.what}`} onClick={() => open(mark.ref)}>
      <span className="sug-num num" aria-hidden>{draft ? <PenLine size={11} /> : mark.ref.label}</span>
      <Icon size={13} className="sug-icon" aria-hidden />
      <span className="sug-text">{children}</span>
    </button>
  );
}

function MarkChip({ t: type, id, mark }: { t: RecordType; id: string; mark: Mark }) {
  const { t } = useText();
  const dayWord = useDayWord();
  if (mark.what === "changed" && mark.fields.length > 0) return <Chip mark={mark}><Diff t={type} id={id} fields={mark.fields} /></Chip>;
  if (mark.what === "moved" && type === "stop" && mark.to !== undefined) return <Chip mark={mark}>{t("proposal.what.moved")} <span aria-hidden>→</span> {dayWord(mark.to)}</Chip>;
  if (mark.what === "moved" && mark.from !== undefined) return <Chip mark={mark}>{t("proposal.what.movedFrom", { day: dayWord(mark.from) })}</Chip>;
  return <Chip mark={mark}>{t(`proposal.what.${mark.what}`)}</Chip>;
}

export function StopMarks({ id, marks }: { id: string; marks: readonly Mark[] }) {
  return <div className="sugs">{marks.map((mark) => <MarkChip key={key(mark.ref)} t="stop" id={id} mark={mark} />)}</div>;
}

export function DayMarks({ id }: { id: string }) {
  const marks = useDayMarks(id);
  if (marks.length === 0) return null;
  return <div className="sugs sugs-day">{marks.map((mark) => <MarkChip key={key(mark.ref)} t="day" id={id} mark={mark} />)}</div>;
}

export function TripMarks() {
  const { t } = useText();
  const marks = useTripMarks();
  const id = useRoomState((s) => s.trip?.id ?? "");
  if (marks.length === 0) return null;
  return (
    <div className="sugs sugs-trip">
      {marks.map((mark) => mark.fields.length > 0 ? <MarkChip key={key(mark.ref)} t="trip" id={id} mark={mark} /> : <Chip key={key(mark.ref)} mark={mark}><TripWords mark={mark} fallback={t("proposal.s.trip")} /></Chip>)}
    </div>
  );
}

/** New dates, which only the server can work out. */
function TripWords({ mark, fallback }: { mark: Mark; fallback: string }) {
  const words = useSentence();
  const { proposal, piece } = mark.ref;
  const found = useRoomState((s) => (proposal === null ? s.draft.pieces[piece] : s.proposals.byId.get(proposal)?.pieces[piece]));
  return <>{found ? plain(words({ op: found.op, changes: found.changes, among: [] })) : fallback}</>;
}

// --- ghosts ---------------------------------------------------------------------------------

/** Stops that would come to stand here: behind `after`, or at the top. */
export function Ghosts({ slots, after }: { slots: Slots | null; after: string | null }) {
  const here = slots?.get(after ?? "");
  if (!here) return null;
  return <>{here.map((ghost) => <GhostRow key={`${key(ghost.ref)}:${ghost.id}`} ghost={ghost} />)}</>;
}

function GhostRow({ ghost }: { ghost: Ghost }) {
  const { t, language } = useText();
  const known = useStop(ghost.id);
  const stop = ghost.stop ?? known;
  const names = pickNames(stop?.name ?? "", stop?.name_alt ?? "", language);
  const from = useDayMark(ghost.what === "moved" ? (known?.day_id ?? null) : null);
  if (!stop) return null;
  const note = stop.notes.split("\n").find((line) => line.trim()) ?? "";
  return (
    <li className={`ghost ghost-${ghost.what}`} data-testid={`ghost-${ghost.id}`} data-day={ghost.what === "moved" ? from.color : undefined}
      onPointerEnter={(event) => { if (event.pointerType === "mouse") view.hover(ghost.id); }} onPointerLeave={() => view.hover(null)}>
      <span className="stop-time num">{stop.start_time ? <b>{stop.start_time}</b> : null}{stop.end_time ? <span>{stop.end_time}</span> : null}</span>
      <span className="ghost-num" aria-hidden>{ghost.what === "added" ? <Plus size={13} /> : <CornerDownRight size={13} />}</span>
      <div className="ghost-main">
        <p className="ghost-name"><KindIcon kind={stop.kind} /><span>{names.main || t("stop.unnamed")}</span></p>
        {ghost.what === "added" && (names.other || note) ? <p className="stop-note">{names.other || note}</p> : null}
        <div className="sugs"><Chip mark={{ ref: ghost.ref, what: ghost.what }}>{t(ghost.what === "added" ? "proposal.what.added" : "proposal.what.movedHere")}</Chip></div>
      </div>
    </li>
  );
}

/** Days that would be added, with the stops proposed for them. */
export function GhostDays({ slotsOf }: { slotsOf: (day: string) => Slots | null }) {
  const days = useGhostDays();
  return <>{days.map((day) => <GhostDaySection key={day.id} day={day} slots={slotsOf(day.id)} />)}</>;
}

function GhostDaySection({ day, slots }: { day: GhostDay; slots: Slots | null }) {
  const { t } = useText();
  return (
    <section className="day ghost-day" aria-label={t("proposal.s.addDay")} data-day="0" data-testid={`ghost-day-${day.id}`}>
      <header className="day-head">
        <span className="day-block day-block-ghost" aria-hidden><Plus size={18} /></span>
        <div className="day-words"><h2 className="day-title day-title-plain">{day.title || t("proposal.s.newDay")}</h2></div>
      </header>
      <div className="sugs sugs-day"><Chip mark={{ ref: day.ref, what: "added" }}>{t("proposal.what.added")}</Chip></div>
      <ol className="stops"><Ghosts slots={slots} after={null} /></ol>
    </section>
  );
}

const key = (ref: PieceRef): string => `${ref.proposal ?? "draft"}:${ref.piece}`;

export { useStopMarks };
