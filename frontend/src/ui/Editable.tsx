/** Text that is edited where it stands: click, type, Enter or blur saves, Escape reverts.
    While somebody types here, values that arrive from others wait until the field is left. */
import { useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import type { ChangeEvent, KeyboardEvent } from "react";

export interface EditableProps {
  value: string;
  label: string;
  onCommit: (value: string) => void;
  placeholder?: string;
  multiline?: boolean;
  required?: boolean;
  readOnly?: boolean;
  maxLength?: number;
  className?: string;
  id?: string;
  autoFocus?: boolean;
  selectOnFocus?: boolean;
  onEditing?: (state: "focus" | "typing" | "blur") => void;
  /** Returns the value to save, or null when the text cannot be accepted. */
  parse?: (text: string) => string | null;
  invalidText?: string;
  type?: string;
  inputMode?: "text" | "decimal" | "numeric" | "url";
  testId?: string;
}

type Box = HTMLInputElement & HTMLTextAreaElement;

export function Editable(props: EditableProps) {
  const { value, label, onCommit, multiline, required, readOnly, className, parse, onEditing } = props;
  const [draft, setDraft] = useState<string | null>(null);
  const [bad, setBad] = useState(false);
  const box = useRef<Box>(null);
  const reverting = useRef(false);
  const focused = useRef(false);
  const noteId = useId();
  const shown = draft ?? value;

  useLayoutEffect(() => {
    if (!multiline || !box.current) return;
    box.current.style.height = "auto";
    box.current.style.height = `${box.current.scrollHeight + 2}px`;
  }, [shown, multiline]);

  useEffect(() => {
    if (props.autoFocus) box.current?.focus();
  }, [props.autoFocus]);

  /** What is typed is never lost because the field goes away: a sheet closed by a tap outside. Nor does the
      field stay in somebody's hands then: no browser says blur for a field that is gone. */
  const leave = useRef<() => void>(() => undefined);
  leave.current = () => { if (focused.current || (draft !== null && !reverting.current)) finish(); };
  useEffect(() => () => leave.current(), []);

  function finish(): void {
    focused.current = false;
    onEditing?.("blur");
    const text = draft;
    if (reverting.current || text === null) {
      reverting.current = false;
      setDraft(null);
      setBad(false);
      return;
    }
    const cleaned = multiline ? text.trimEnd() : text.trim();
    const parsed = parse ? parse(cleaned) : cleaned;
    if (parsed === null) {
      setBad(true);
      return;
    }
    setBad(false);
    setDraft(null);
    if (required && !parsed) return;
    if (parsed !== value) onCommit(parsed);
  }

  function onKeyDown(event: KeyboardEvent<Box>): void {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape" && draft !== null) {
      event.stopPropagation();
      event.nativeEvent.stopImmediatePropagation();
      reverting.current = true;
      event.currentTarget.blur();
    } else if (event.key === "Enter" && (!multiline || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.currentTarget.blur();
    }
  }

  const shared = {
    id: props.id,
    className: `editable ${multiline ? "editable-multi" : ""} ${className ?? ""}`,
    value: shown,
    "aria-label": props.id ? undefined : label,
    "aria-invalid": bad || undefined,
    "aria-describedby": bad ? noteId : undefined,
    "data-testid": props.testId,
    "data-dirty": draft !== null || undefined,
    placeholder: readOnly ? undefined : props.placeholder,
    readOnly,
    maxLength: props.maxLength,
    inputMode: props.inputMode,
    autoComplete: "off",
    onFocus: () => {
      if (readOnly) return;
      focused.current = true;
      onEditing?.("focus");
      if (props.selectOnFocus) box.current?.select();
    },
    onBlur: finish,
    onChange: (event: ChangeEvent<Box>) => {
      setDraft(event.target.value);
      onEditing?.("typing");
    },
    onKeyDown,
  };
  return (
    <>
      {multiline ? <textarea ref={box} rows={1} {...shared} /> : <input ref={box} type={props.type ?? "text"} {...shared} />}
      {bad ? <span id={noteId} className="field-error" role="alert">{props.invalidText}</span> : null}
    </>
  );
}
