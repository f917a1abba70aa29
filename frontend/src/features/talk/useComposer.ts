/** The state of a place to write: text, caret, suggestions, draft; what keys do in it. */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ChangeEvent, KeyboardEvent, RefObject } from "react";
import { useUser } from "../../app/session";
import { ASSISTANT, MAX_LENGTH, type Focus } from "../../protocol.gen";
import { keepUnsent, NOTHING_UNSENT, readUnsent, type Unsent } from "../../realtime/unsent";
import { useRoom } from "../../store";
import { useReporter } from "../room/presence";
import { useMentionables } from "./people";
import type { Ref } from "./records";
import { mentionsIn, triggerAt, type Trigger } from "./text";
import { useSuggestions, type Suggestion } from "./useSuggestions";

export interface Said {
  text: string;
  mentions: string[];
  about: Ref | null;
  /** The assistant is to answer. */
  ask: boolean;
}

export interface ComposerOptions {
  /** Names the draft; null: nothing is kept (editing). */
  place: string | null;
  initial?: string;
  focus: Focus;
  /** False keeps the text where it is. */
  onSend: (said: Said) => boolean | Promise<boolean>;
  onCancel?: (() => void) | undefined;
  /** Arrow up in an empty box. */
  onEditLast?: (() => void) | undefined;
}

/** Safari says that composing has ended before the Enter that ended it: its key code still tells. */
export const isComposing = (event: { nativeEvent: { isComposing: boolean; keyCode: number } }): boolean =>
  event.nativeEvent.isComposing || event.nativeEvent.keyCode === 229;

export function useComposer(options: ComposerOptions, box: RefObject<HTMLTextAreaElement | null>) {
  const { place, initial = "", focus, onSend, onCancel, onEditLast } = options;
  const { tripId } = useRoom();
  const user = useUser()?.id ?? "-";
  const key = place === null ? null : `${user}.${tripId}.${place}`;
  const [draft, setDraft] = useState<Unsent>(() => (key === null ? { text: initial, about: null } : readUnsent(key)));
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [trigger, setTrigger] = useState<Trigger | null>(null);
  const [at, setAt] = useState(0);
  const picked = useRef(new Set<string>());
  const caret = useRef<number | null>(null);
  const reporter = useReporter();
  const people = useMentionables(false);
  const suggestions = useSuggestions(trigger);
  const open = trigger !== null && suggestions.length > 0;
  const active = open ? suggestions[Math.min(at, suggestions.length - 1)] : undefined;
  const over = [...draft.text].length - MAX_LENGTH.message.text;

  useEffect(() => {
    if (key !== null) keepUnsent(key, draft);
  }, [key, draft]);

  // After a change by us the caret goes where it belongs, before anything is painted.
  useLayoutEffect(() => {
    const node = box.current;
    if (node === null) return;
    node.style.height = "auto";
    node.style.height = `${node.scrollHeight}px`;
    if (caret.current === null) return;
    node.focus();
    node.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  }, [draft.text, box]);

  useEffect(() => () => reporter.field(focus, "blur"), [reporter, focus.t, focus.id, focus.field]); // by value

  const look = useCallback((text: string, position: number) => {
    setTrigger(triggerAt(text, position));
    setAt(0);
  }, []);

  function onChange(event: ChangeEvent<HTMLTextAreaElement>): void {
    const { value, selectionStart } = event.target;
    setDraft((before) => ({ ...before, text: value }));
    look(value, selectionStart);
    reporter.field(focus, "typing");
  }

  /** Put `text` over `from`..`to`, and the caret behind it. */
  function put(text: string, from: number, to: number, about?: Ref | null): void {
    caret.current = from + text.length;
    setDraft((before) => ({ text: before.text.slice(0, from) + text + before.text.slice(to), about: about ?? before.about }));
    setTrigger(null);
  }

  function choose(suggestion: Suggestion): void {
    if (trigger === null) return;
    if (suggestion.person !== null) picked.current.add(suggestion.person);
    put(`${suggestion.insert} `, trigger.from, trigger.from + 1 + trigger.query.length, suggestion.record);
  }

  /** A mention begins where the caret is, as if @ or # had been typed. */
  function begin(sign: "@" | "#"): void {
    const node = box.current;
    if (node === null) return;
    const { selectionStart, selectionEnd } = node;
    const gap = /[\w@#]$/u.test(draft.text.slice(0, selectionStart)) ? " " : "";
    put(gap + sign, selectionStart, selectionEnd);
    setTrigger({ kind: sign, query: "", from: selectionStart + gap.length });
    setAt(0);
  }

  async function send(): Promise<void> {
    const text = draft.text.trim();
    if (text === "" || over > 0 || busy) return;
    const mentions = mentionsIn(text, people, picked.current);
    const said: Said = { text, mentions, about: draft.about, ask: asking || mentions.includes(ASSISTANT) };
    const done = onSend(said);
    if (done === false) return;
    if (done !== true) {
      setBusy(true);
      const went = await done;
      setBusy(false);
      if (!went) return;
    }
    reporter.field(focus, "focus");
    picked.current.clear();
    // At once: the place to write may go with what was sent.
    if (key !== null) keepUnsent(key, NOTHING_UNSENT);
    setDraft(NOTHING_UNSENT);
    setTrigger(null);
    box.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
    if (isComposing(event)) return;
    if (open && suggestionKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      void send();
    } else if (event.key === "Escape" && onCancel !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      onCancel();
    } else if (event.key === "ArrowUp" && draft.text === "" && onEditLast !== undefined) {
      event.preventDefault();
      onEditLast();
    }
  }

  function suggestionKey(event: KeyboardEvent): boolean {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0) setAt((n) => (Math.min(n, suggestions.length - 1) + step + suggestions.length) % suggestions.length);
    else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey && active !== undefined) choose(active);
    else if (event.key === "Escape") setTrigger(null);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  return {
    draft, setDraft, over, busy, asking, setAsking, open, suggestions, active, choose, begin, send, put,
    bind: {
      value: draft.text, onChange, onKeyDown,
      onFocus: () => reporter.field(focus, "focus"),
      onBlur: () => {
        reporter.field(focus, "blur");
        setTrigger(null);
      },
      onSelect: (event: { currentTarget: HTMLTextAreaElement }) => {
        const { value, selectionStart, selectionEnd } = event.currentTarget;
        // React tells of a selection with every key, also with the Escape that has just closed them.
        setTrigger((before) => (before === null || selectionStart !== selectionEnd ? before : triggerAt(value, selectionStart)));
      },
    },
  };
}
