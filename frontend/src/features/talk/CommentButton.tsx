/** Opens the comments on a stop, a day or a note, and says how many wait for an answer. */
import { MessageSquare } from "lucide-react";
import { useIsMember, useThreadTotals, type RecordRef } from "../../store";
import { useText } from "../room/useText";
import { useView, type ViewState } from "../room/view";
import { toggleThread } from "./anchor";

type Thread = NonNullable<ViewState["thread"]>;

interface Props extends Thread {
  /** What it is on, in words. */
  what: string;
  className?: string;
  size?: number;
  /** A row of the board shows it without comments only under the pointer. */
  quiet?: boolean;
}

export function CommentButton({ t: type, id, field, what, className = "", size = 15, quiet = false }: Props) {
  const { t } = useText();
  const member = useIsMember();
  // Comments on a note count where the record stands, not once more beside the note.
  const totals = useThreadTotals(`${type}:${id}` satisfies RecordRef)?.open ?? 0;
  const open = field && type !== "trip" ? 0 : totals;
  const shown = useView((s) => s.thread?.t === type && s.thread.id === id);
  if (!member) return null;
  const label = open > 0 ? `${t("talk.commentsOn", { what })}, ${t("talk.commentsOpen", { count: open })}` : t("talk.commentsOn", { what });
  return (
    <button
      type="button" className={`comment-btn ${open > 0 ? "comment-some" : quiet ? "comment-quiet" : ""} ${className}`} aria-label={label} title={t("talk.comments")}
      aria-haspopup="dialog" aria-expanded={shown} data-comments={`${type}:${id}`}
      onClick={(event) => { event.stopPropagation(); toggleThread({ t: type, id, ...(field ? { field } : {}) }, event.currentTarget); }}
    >
      <MessageSquare size={size} aria-hidden />
      {open > 0 ? <span className="num" aria-hidden>{open}</span> : null}
    </button>
  );
}
