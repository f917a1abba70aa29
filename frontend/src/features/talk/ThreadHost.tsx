/** The comments on one record, beside it on the board; on phones as a sheet. */
import * as P from "@radix-ui/react-popover";
import { X } from "lucide-react";
import { useLayoutEffect, useRef } from "react";
import { Dialog } from "../../ui/Dialog";
import { useText } from "../room/useText";
import { useView, view, type ViewState } from "../room/view";
import { threadAnchor } from "./anchor";
import { RecordThreads } from "./RecordThreads";
import { useRecordName } from "./records";
import "./talk.css";

const close = () => view.openThread(null);

export default function ThreadHost({ phone }: { phone: boolean }) {
  const thread = useView((s) => s.thread);
  if (thread === null) return null;
  const key = `${thread.t}:${thread.id}`;
  return phone ? <Sheet key={key} thread={thread} /> : <Beside key={key} thread={thread} />;
}

type Props = { thread: NonNullable<ViewState["thread"]> };

function useTitle({ thread }: Props): string {
  const { t } = useText();
  const what = useRecordName(thread);
  return what === null ? t("talk.comments") : t("talk.commentsOn", { what });
}

function Sheet({ thread }: Props) {
  return <Dialog open kind="sheet" onClose={close} title={useTitle({ thread })} className="thread-sheet"><RecordThreads thread={thread} /></Dialog>;
}

function Beside({ thread }: Props) {
  const { t } = useText();
  const title = useTitle({ thread });
  const anchor = useRef<HTMLElement | null>(null);
  if (anchor.current?.isConnected !== true) anchor.current = threadAnchor(thread);
  const rect = useRef(new DOMRect());
  // The row may go (a drag, a collapsed editor): the comments then stay where they were.
  const measure = useRef({
    getBoundingClientRect: () => {
      if (anchor.current?.isConnected === true) rect.current = anchor.current.getBoundingClientRect();
      return rect.current;
    },
  });
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => () => anchor.current?.focus({ preventScroll: true }), []);
  return (
    <P.Root open onOpenChange={(open) => { if (!open) close(); }}>
      <P.Anchor virtualRef={measure} />
      <P.Portal>
        <P.Content
          ref={box} className="popover thread-pop" side="right" align="start" sideOffset={10} collisionPadding={12} aria-label={title}
          onOpenAutoFocus={(event) => {
            // Where there is something to read, reading comes first; the place to write focuses itself.
            event.preventDefault();
            if (!box.current?.contains(document.activeElement)) box.current?.focus();
          }}
          onInteractOutside={(event) => {
            const target = event.target instanceof Element ? event.target : null;
            if (target !== null && (anchor.current?.contains(target) === true || target.closest(".toast, .menu, [role=dialog]") !== null)) event.preventDefault();
          }}
        >
          <header className="thread-pop-head">
            <h2>{title}</h2>
            <P.Close className="icon-btn" aria-label={t("common.close")}><X size={17} aria-hidden /></P.Close>
          </header>
          <RecordThreads thread={thread} />
        </P.Content>
      </P.Portal>
    </P.Root>
  );
}
