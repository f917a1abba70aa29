/** Where a question is asked: a few to tap, and a box for one's own. */
import { ArrowUp } from "lucide-react";
import { useId, useLayoutEffect, useRef, useState } from "react";
import type { KeyboardEvent } from "react";
import { MAX_QUESTION } from "../../protocol.gen";
import { IconButton } from "../../ui/Button";
import { useText } from "../room/useText";
import "./assistant.css";

export interface AskBoxProps {
  placeholder: string;
  suggestions: readonly string[];
  /** Says why not to ask now; empty: that can be seen. */
  blocked?: string | null;
  /** False: it was not taken, and stays in the box. */
  onAsk: (text: string) => Promise<boolean>;
  autoFocus?: boolean;
}

export function AskBox({ placeholder, suggestions, blocked = null, onAsk, autoFocus = false }: AskBoxProps) {
  const { t } = useText();
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const box = useRef<HTMLTextAreaElement>(null);
  const note = useId();
  const over = [...text].length - MAX_QUESTION;
  const ready = text.trim() !== "" && over <= 0 && !busy && blocked === null;

  useLayoutEffect(() => {
    if (!box.current) return;
    box.current.style.height = "auto";
    box.current.style.height = `${box.current.scrollHeight}px`;
  }, [text]);

  async function ask(question: string): Promise<void> {
    if (question.trim() === "" || busy || blocked !== null) return;
    setBusy(true);
    const taken = await onAsk(question.trim());
    setBusy(false);
    // What was typed while a tapped question went out is kept.
    if (taken) setText((now) => (now.trim() === question.trim() ? "" : now));
    box.current?.focus({ preventScroll: true });
  }
  function onKeyDown(event: KeyboardEvent): void {
    // Safari ends composing before the Enter that ended it: its key code still tells.
    if (event.nativeEvent.isComposing || event.nativeEvent.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      if (ready) void ask(text);
    }
  }

  return (
    <div className="ask">
      {suggestions.length > 0 && text === "" ? (
        <ul className="ask-chips" aria-label={t("ai.suggestions")}>
          {suggestions.map((question) => <li key={question}><button type="button" className="ask-chip" disabled={busy || blocked !== null} onClick={() => void ask(question)}>{question}</button></li>)}
        </ul>
      ) : null}
      <div className="ask-box">
        <textarea
          ref={box} rows={1} value={text} aria-label={t("ai.askLabel")} placeholder={placeholder} autoFocus={autoFocus} data-testid="ask"
          aria-describedby={blocked || over > 0 ? note : undefined} onChange={(event) => setText(event.target.value)} onKeyDown={onKeyDown}
        />
        <IconButton className="ask-send" label={t("ai.ask")} tip={false} disabled={!ready} onClick={() => void ask(text)}><ArrowUp size={18} aria-hidden /></IconButton>
      </div>
      {blocked || over > 0 ? <p id={note} className={over > 0 ? "ask-note ask-over" : "ask-note"}>{over > 0 ? t("ai.tooLong", { count: over }) : blocked}</p> : null}
    </div>
  );
}
