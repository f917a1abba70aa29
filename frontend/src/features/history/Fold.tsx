import { ChevronDown } from "lucide-react";
import { useState } from "react";
import type { ReactNode } from "react";
import { formatClock } from "../../i18n/format";
import type { RoomEvent } from "../../protocol.gen";
import { useText } from "../room/useText";
import { AuthorFace, useAuthorName } from "../talk/people";
import { actOf, changesIn } from "./folds";

/** One act of many changes: a line that says so, and the changes on request. One that is `cut` has more than are loaded. */
export function Fold({ events, cut, children }: { events: readonly RoomEvent[]; cut: boolean; children: (event: RoomEvent) => ReactNode }) {
  const { t, language } = useText();
  const [open, setOpen] = useState(false);
  const newest = events[0] as RoomEvent;
  const who = useAuthorName(newest.actor);
  const count = changesIn(events);
  const amount = cut ? `${count}+` : String(count);
  return (
    <li className="entry entry-fold" data-testid="fold">
      <AuthorFace id={newest.actor} size={24} />
      <div className="entry-body">
        <p className="entry-head"><span><b>{who}</b>{language === "zh" ? "" : " "}{t(`history.fold.${actOf(events)}`, { count, amount })}</span><time className="num" dateTime={newest.at}>{formatClock(newest.at, language)}</time></p>
        <button type="button" className="fold-more" aria-expanded={open} onClick={() => setOpen(!open)}>
          <ChevronDown size={15} aria-hidden />{t(open ? "history.fold.hide" : "history.fold.show", { count, amount })}
        </button>
        {open ? <ol className="fold-entries">{events.map(children)}</ol> : null}
      </div>
    </li>
  );
}
