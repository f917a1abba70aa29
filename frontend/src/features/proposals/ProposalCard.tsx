/** One proposal to read and decide: who suggests what and why, whole or piece by piece. */
import { Check, CircleCheck, CircleSlash, Clock3, MessageCircle, TriangleAlert, X } from "lucide-react";
import { useEffect, useRef } from "react";
import { formatAgo } from "../../i18n/format";
import { ASSISTANT } from "../../protocol.gen";
import { useIsEditor, useIsMember, useMe, useProposal, useProposals, useRoomClient, useRoomState, type ShownProposal } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Delayed, Notice, Skeleton } from "../../ui/States";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { AuthorFace, useAuthorName } from "../talk/people";
import { labelOf } from "./marks";
import { PieceRow } from "./PieceRow";
import { reviewUi, useReviewUi } from "./ui";
import { useDecline } from "./useDecline";
import "./proposals.css";

/** For answers: the proposal may be decided already, and not be loaded yet. */
export function ProposalById({ id, inAnswer = false }: { id: string; inAnswer?: boolean }) {
  const { t } = useText();
  const proposal = useProposal(id);
  const { status } = useProposals();
  if (proposal) return <ProposalCard proposal={proposal} inAnswer={inAnswer} />;
  if (status === "ready") return <p className="muted">{t("proposal.gone")}</p>;
  if (status === "failed") return <Notice tone="bad">{t("proposal.failed")}</Notice>;
  return <Delayed><Skeleton h={72} r={8} /></Delayed>;
}

export function ProposalCard({ proposal, inAnswer = false }: { proposal: ShownProposal; inAnswer?: boolean }) {
  const { t, language } = useText();
  const { open } = useProposals();
  const editor = useIsEditor();
  const member = useIsMember();
  const me = useMe().user;
  const name = useAuthorName(proposal.author);
  const asker = useAuthorName(proposal.asked_by ?? "");
  const waiting = open.some((each) => each.id === proposal.id);
  const own = me !== null && (proposal.author === me || proposal.asked_by === me);
  const by = proposal.author === ASSISTANT ? t("proposal.byAssistant") : proposal.author === me ? t("proposal.mine") : t("proposal.by", { name });
  const box = useFocused(proposal.id, -1);
  const live = proposal.pieces.filter((piece) => piece.status === "open").length;
  return (
    <section ref={box} className={`proposal ${waiting ? "" : "proposal-decided"}`} aria-label={by} data-testid={`proposal-${proposal.id}`}>
      <header className="proposal-head">
        {inAnswer ? null : <AuthorFace id={proposal.author} size={26} />}
        <p>
          <b>{by}</b>
          <small>
            {proposal.asked_by && !inAnswer ? `${t("proposal.askedBy", { name: asker })} · ` : ""}
            <time dateTime={proposal.at} className="num">{formatAgo(proposal.at, language)}</time>
          </small>
        </p>
        {proposal.message && !inAnswer ? (
          <IconButton label={t("proposal.inAnswer")} onClick={() => view.toMessage(proposal.message as string)}><MessageCircle size={17} aria-hidden /></IconButton>
        ) : null}
      </header>
      {proposal.note ? <p className="proposal-note">{proposal.note}</p> : null}
      <ol className="pieces">
        {proposal.pieces.map((piece, n) => (
          <PieceRow key={n} proposal={proposal} piece={piece} n={n} label={labelOf(open, proposal.id, n)} mayAccept={editor && waiting} mayDecline={(editor || own) && waiting} own={own && !editor} />
        ))}
      </ol>
      {waiting ? <Decide proposal={proposal} live={live} editor={editor} own={own} member={member} /> : <Outcome proposal={proposal} />}
    </section>
  );
}

function Decide({ proposal, live, editor, own, member }: { proposal: ShownProposal; live: number; editor: boolean; own: boolean; member: boolean }) {
  const { t } = useText();
  const { review } = useRoomClient();
  const decline = useDecline();
  const deciding = useDeciding(proposal.id);
  const count = proposal.pieces.filter((piece) => piece.status === "open" || piece.status === "stale").length;
  const declineWord = editor ? (live === 0 ? "proposal.dismiss" : "proposal.declineAll") : "proposal.withdrawAll";
  if (deciding) return <p className="proposal-foot proposal-wait"><Clock3 size={14} aria-hidden />{t("proposal.deciding")}</p>;
  if (!editor && !own) return member ? <p className="proposal-foot proposal-wait"><Clock3 size={14} aria-hidden />{t("proposal.waitsForEditor")}</p> : null;
  return (
    <div className="proposal-foot">
      {editor && live > 0 ? <Button size="sm" variant="primary" icon={<Check size={15} aria-hidden />} onClick={() => review.accept(proposal.id)}>{t(count > 1 ? "proposal.acceptAll" : "proposal.accept")}</Button> : null}
      {editor ? null : <span className="proposal-wait"><Clock3 size={14} aria-hidden />{t("proposal.waitsForEditor")}</span>}
      <Button size="sm" variant="ghost" icon={<X size={15} aria-hidden />} onClick={() => decline(proposal.id, null, count, !editor)}>
        {t(count > 1 || live === 0 ? declineWord : editor ? "proposal.decline" : "proposal.withdraw")}
      </Button>
    </div>
  );
}

/** What became of it. */
function Outcome({ proposal }: { proposal: ShownProposal }) {
  const { t } = useText();
  const by = useAuthorName(proposal.decided_by ?? "");
  const accepted = proposal.pieces.filter((piece) => piece.status === "accepted").length;
  const all = proposal.pieces.length;
  const word = accepted === all ? t("proposal.decided_accepted") : accepted === 0 ? t("proposal.decided_declined") : t("proposal.decided_mixed", { accepted, count: all });
  const Icon = accepted > 0 ? CircleCheck : CircleSlash;
  return <p className={`proposal-foot proposal-outcome ${accepted > 0 ? "proposal-yes" : ""}`}><Icon size={15} aria-hidden />{word}{proposal.decided_by ? <span className="muted"> · {by}</span> : null}</p>;
}

/** An own decision about the whole, or about this piece, is on its way. */
export function useDeciding(id: string, piece?: number): boolean {
  return useRoomState((s) => s.talk.proposalOps.some(({ op }) =>
    (op.kind === "proposal.accept" || op.kind === "proposal.decline") && op.id === id
    && (piece === undefined ? op.pieces == null : op.pieces == null || op.pieces.includes(piece))));
}

/** Comes into view and lights up when somebody asks for this proposal, or this piece of it. */
export function useFocused(proposal: string, piece: number) {
  const box = useRef<HTMLElement & HTMLLIElement>(null);
  const asked = useReviewUi((s) => (s.focus?.proposal === proposal && s.focus.piece === piece ? s.focus.n : 0));
  useEffect(() => {
    const node = box.current;
    if (asked === 0 || node === null) return;
    node.scrollIntoView({ block: "nearest" });
    node.classList.remove("piece-flash");
    void node.offsetWidth;
    node.classList.add("piece-flash");
  }, [asked]);
  return box;
}

/** All that wait, for the panel and for the sheet of phones. */
export function ProposalList() {
  const { t } = useText();
  const { open, status } = useProposals();
  if (open.length > 0) return <div className="proposals">{[...open].reverse().map((proposal) => <ProposalCard key={proposal.id} proposal={proposal} />)}</div>;
  if (status === "failed") return <Notice tone="bad" icon={<TriangleAlert size={16} aria-hidden />}>{t("proposal.failed")}</Notice>;
  if (status !== "ready") return <Delayed><div className="proposals"><Skeleton h={120} r={8} /><Skeleton h={120} r={8} /></div></Delayed>;
  return <div className="proposals-none"><b>{t("proposal.none")}</b><p>{t("proposal.noneText")}</p></div>;
}

export { reviewUi };
