/** Where something is written: text with mentions of people and stops. Enter sends, but never in the
    middle of composing a Chinese word. What was typed is kept as a draft until it is sent. */
import { ArrowUp, AtSign, Check, MapPin, Sparkles } from "lucide-react";
import { useEffect, useId, useImperativeHandle, useRef } from "react";
import type { ReactNode, Ref as ReactRef } from "react";
import { IconButton } from "../../ui/Button";
import { useText } from "../room/useText";
import { view } from "../room/view";
import { AuthorFace, useHasAssistant } from "./people";
import { RecordChip, type Ref } from "./records";
import { useComposer, type ComposerOptions } from "./useComposer";
import type { Suggestion } from "./useSuggestions";

/** Show how much room is left when little is. */
const NEARLY = 200;

export interface ComposerHandle {
  focus: () => void;
  /** Put a text behind what is there; `about` hangs a card on it. */
  insert: (text: string, about?: Ref) => void;
}

interface ComposerProps extends ComposerOptions {
  label: string;
  placeholder: string;
  /** `chat` can hang a card on a message and ask the assistant. */
  kind: "chat" | "comment" | "edit";
  /** What stands above the box: the message that is replied to, an error. */
  above?: ReactNode;
  autoFocus?: boolean;
  ref?: ReactRef<ComposerHandle>;
}

export function Composer({ label, placeholder, kind, above, autoFocus, ref, ...options }: ComposerProps) {
  const { t } = useText();
  const box = useRef<HTMLTextAreaElement>(null);
  const composer = useComposer(options, box);
  const { draft, over, open, suggestions, active, asking } = composer;
  const list = useId();
  const empty = draft.text.trim() === "";
  const sendLabel = t(kind === "edit" ? "talk.save" : asking ? "talk.ask" : "talk.send");

  useImperativeHandle(ref, () => ({
    focus: () => box.current?.focus(),
    insert: (text, about) => {
      const end = draft.text.length;
      composer.put(`${draft.text === "" || /\s$/.test(draft.text) ? "" : " "}${text}`, end, end, about);
    },
  }));
  useEffect(() => {
    if (!autoFocus) return;
    // A dialog that opens, or a menu that closes, moves the focus too: this is the last word.
    const timer = window.setTimeout(() => {
      const node = box.current;
      node?.focus();
      node?.setSelectionRange(node.value.length, node.value.length);
    });
    return () => window.clearTimeout(timer);
  }, [autoFocus]);

  return (
    <div className={`composer composer-${kind}`}>
      {above}
      {open ? <Suggestions id={list} items={suggestions} active={active} onChoose={composer.choose} /> : null}
      <div className={`composer-box ${asking ? "composer-asking" : ""}`}>
        {draft.about && !asking ? <RecordChip record={draft.about} onRemove={() => composer.setDraft((before) => ({ ...before, about: null }))} /> : null}
        <textarea
          ref={box} rows={1} aria-label={label} placeholder={asking ? t("talk.askPlaceholder") : placeholder} enterKeyHint="send" readOnly={composer.busy}
          aria-autocomplete="list" aria-haspopup="listbox" aria-controls={open ? list : undefined} aria-activedescendant={active ? `${list}-${active.key}` : undefined}
          data-testid={`composer-${kind}`} data-dirty={options.onCancel !== undefined || open || undefined} {...composer.bind}
        />
        <div className="composer-tools">
          {kind === "edit" ? null : <IconButton label={t("talk.mentionPerson")} onClick={() => composer.begin("@")}><AtSign size={17} aria-hidden /></IconButton>}
          {kind === "chat" ? (
            <>
              <IconButton label={t("talk.mentionStop")} onClick={() => composer.begin("#")}><MapPin size={17} aria-hidden /></IconButton>
              <AskButton asking={asking} onAsking={(next) => { composer.setAsking(next); box.current?.focus(); }} />
            </>
          ) : null}
          <span className="composer-gap" />
          {over > -NEARLY ? <span className={`num composer-left ${over > 0 ? "composer-over" : ""}`} role="status">{over > 0 ? t("talk.tooLong", { count: over }) : -over}</span> : null}
          <IconButton className="composer-send" label={sendLabel} disabled={empty || over > 0 || composer.busy} onClick={() => void composer.send()} data-testid="send">
            {kind === "edit" ? <Check size={18} aria-hidden /> : asking ? <Sparkles size={17} aria-hidden /> : <ArrowUp size={18} strokeWidth={2.4} aria-hidden />}
          </IconButton>
        </div>
      </div>
    </div>
  );
}

/** Where there is no assistant, its panel says how to get one. */
function AskButton({ asking, onAsking }: { asking: boolean; onAsking: (asking: boolean) => void }) {
  const { t } = useText();
  const has = useHasAssistant();
  return (
    <IconButton label={t("talk.toAssistant")} pressed={has ? asking : undefined} onClick={() => { if (has) onAsking(!asking); else view.show("assistant"); }}>
      <Sparkles size={17} aria-hidden />
    </IconButton>
  );
}

function Suggestions({ id, items, active, onChoose }: { id: string; items: readonly Suggestion[]; active: Suggestion | undefined; onChoose: (item: Suggestion) => void }) {
  const { t } = useText();
  return (
    <ul id={id} className="suggestions" role="listbox" aria-label={t("talk.suggestions")}>
      {items.map((item) => (
        <li
          key={item.key} id={`${id}-${item.key}`} role="option" aria-selected={item === active}
          // The box keeps the focus, and with it the keyboard of a phone.
          onPointerDown={(event) => event.preventDefault()} onClick={() => onChoose(item)}
          ref={item === active ? (node) => node?.scrollIntoView({ block: "nearest" }) : undefined}
        >
          {item.person ? <AuthorFace id={item.person} size={22} /> : <span className="suggestion-icon" aria-hidden><MapPin size={15} /></span>}
          <span className="menu-text">{item.label}</span>
          {item.extra ? <span className="muted">{item.extra}</span> : null}
        </li>
      ))}
    </ul>
  );
}
