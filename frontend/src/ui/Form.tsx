/** A form that says in the page's language what is still missing. The browser's own bubbles speak the
    language of the browser, vanish by themselves, and belong to no field for a screen reader. */
import { createContext, useContext, useState } from "react";
import type { FormEvent, FormHTMLAttributes } from "react";
import { useTranslation } from "react-i18next";

/** Why a control cannot be sent like this; a key of the catalogue below `form`. */
export interface Problem {
  key: "missing" | "short" | "email";
  count?: number;
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

const Problems = createContext<Readonly<Record<string, Problem>>>({});

/** What the surrounding form has to say about the control with this id. */
export function useProblem(id: string): string | undefined {
  const { t } = useTranslation();
  const problem = useContext(Problems)[id];
  return problem && t(`form.${problem.key}`, { count: problem.count ?? 0 });
}

/** `required`, `minLength` and `type="email"` are declared on the control as ever. */
export function problemOf(control: Control): Problem | null {
  if (!control.willValidate) return null;
  const value = control.type === "password" ? control.value : control.value.trim();
  if (control.required && value === "") return { key: "missing" };
  // `validity.tooShort` knows only what was typed by hand, not what a password manager filled in.
  const least = control instanceof HTMLSelectElement ? -1 : control.minLength;
  if (value !== "" && [...value].length < least) return { key: "short", count: least };
  return control.validity.typeMismatch && control.type === "email" ? { key: "email" } : null;
}

const isControl = (element: EventTarget | null): element is Control =>
  element instanceof HTMLInputElement || element instanceof HTMLSelectElement || element instanceof HTMLTextAreaElement;

type FormProps = Omit<FormHTMLAttributes<HTMLFormElement>, "onSubmit" | "noValidate"> & {
  /** Called only when nothing is missing; the event's default is prevented already. */
  onSubmit: (event: FormEvent<HTMLFormElement>) => void;
};

export function Form({ onSubmit, children, ...rest }: FormProps) {
  const [problems, setProblems] = useState<Readonly<Record<string, Problem>>>({});

  function submit(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault();
    const bad = [...event.currentTarget.elements].filter(isControl).flatMap((control) => {
      const problem = problemOf(control);
      return problem ? [{ control, problem }] : [];
    });
    setProblems(Object.fromEntries(bad.map(({ control, problem }) => [control.id, problem])));
    if (bad[0]) bad[0].control.focus();
    else onSubmit(event);
  }

  /** A complaint follows what is typed and goes when it is met; no new one comes before the form is sent. */
  function recheck({ target }: FormEvent<HTMLFormElement>): void {
    if (!isControl(target) || !(target.id in problems)) return;
    const { [target.id]: _before, ...others } = problems;
    const problem = problemOf(target);
    setProblems(problem ? { ...others, [target.id]: problem } : others);
  }

  return (
    <form {...rest} noValidate onSubmit={submit} onInput={recheck}>
      <Problems.Provider value={problems}>{children}</Problems.Provider>
    </form>
  );
}
