/** The e-mail address of the account: which it is, whether it is confirmed, the one that waits, and the ways to
    add, change and remove it. A new one counts once the link that is sent there is opened (`ConfirmPage`). */
import { MailCheck, MailWarning } from "lucide-react";
import { useEffect, useId, useRef, useState } from "react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { api, ApiError, type EmailState } from "../../api";
import { errorText, useSession, useUser } from "../../app/session";
import { useLanguage } from "../../app/useLanguage";
import { formatMoment } from "../../i18n/format";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/Field";
import { Form } from "../../ui/Form";
import { Delayed, Notice, Skeleton } from "../../ui/States";
import { toast } from "../../ui/toast";
import { Section } from "./Section";
import { useEmail } from "./useEmail";
import "./settings.css";

type Open = "nothing" | "change" | "remove";

export function AddressSection() {
  const { t } = useTranslation();
  const { state, problem, reload, put } = useEmail();
  const [open, setOpen] = useState<Open>("nothing");
  const box = useRef<HTMLDivElement>(null);

  /** Back to the buttons, with the one in hand that opened the form, or what has taken its place. */
  function close(): void {
    setOpen("nothing");
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>("button:not(:disabled)")?.focus());
  }
  function done(next: EmailState, said: string): void {
    put(next);
    toast(said);
    close();
  }

  return (
    <Section title={t("address.title")}>
      <div ref={box} className="address" data-testid="address">
        {state === null ? (
          problem === null
            ? <Delayed><Skeleton w="70%" /><Skeleton h={36} w={140} /></Delayed>
            : <Notice tone="bad" action={<Button size="sm" onClick={reload}>{t("common.retry")}</Button>}>{errorText(problem, t)}</Notice>
        ) : (
          <>
            <Current state={state} />
            {state.pending ? <Pending pending={state.pending} onDone={done} onState={put} /> : null}
            {open === "change" ? <ChangeForm known={state.email} onDone={done} onClose={close} /> : null}
            {open === "remove" ? <RemoveForm onDone={done} onClose={close} /> : null}
            {open === "nothing" ? <Acts state={state} onOpen={setOpen} onDone={done} /> : null}
          </>
        )}
      </div>
    </Section>
  );
}

function Current({ state }: { state: EmailState }) {
  const { t } = useTranslation();
  // Without mail an address is of no such use.
  const mail = useSession((s) => s.features["mail"] === true);
  if (state.email === null) return <p className="muted">{t(mail ? "address.none" : "address.noneOff")}</p>;
  return (
    <div>
      <p className="address-line">
        <bdi className="address-text" data-testid="address-text">{state.email}</bdi>{" "}
        <span className={`badge ${state.confirmed ? "badge-booked" : ""}`}>{t(state.confirmed ? "address.confirmed" : "address.unconfirmed")}</span>
      </p>
      <p className="muted">{t(state.confirmed ? "address.use" : "address.unconfirmedHint")}</p>
    </div>
  );
}

interface Done {
  onDone: (state: EmailState, said: string) => void;
}

/** One act without a form; what does not succeed is said. */
function useAct(): [boolean, (act: () => Promise<void>) => void] {
  const { t } = useTranslation();
  const [busy, setBusy] = useState(false);
  return [busy, (act) => {
    setBusy(true);
    act().catch((problem: unknown) => toast(errorText(problem, t), { tone: "bad" })).finally(() => setBusy(false));
  }];
}

function Pending({ pending, onDone, onState }: Done & { pending: NonNullable<EmailState["pending"]>; onState: (state: EmailState) => void }) {
  const { t } = useTranslation();
  const language = useLanguage();
  const [busy, act] = useAct();
  const failed = pending.delivery === "failed";
  const values = { email: pending.email, when: formatMoment(pending.expires_at, language) };
  return (
    <Notice tone={failed ? "bad" : "warn"} icon={failed ? <MailWarning size={18} aria-hidden /> : <MailCheck size={18} aria-hidden />}>
      <p data-testid="address-pending">{t(failed ? "address.failed" : "address.waits", values)}</p>
      {failed ? null : <p className="muted">{t("address.waitsHint")}</p>}
      <div className="address-acts">
        <Button size="sm" busy={busy} onClick={() => act(async () => { onState(await api.resendEmail()); toast(t("address.resent")); })}>{t("address.resend")}</Button>
        <Button size="sm" variant="ghost" busy={busy} onClick={() => act(async () => onDone(await api.cancelEmail(), t("address.cancelled")))}>{t("common.cancel")}</Button>
      </div>
    </Notice>
  );
}

function Acts({ state, onOpen, onDone }: Done & { state: EmailState; onOpen: (open: Open) => void }) {
  const { t } = useTranslation();
  const [busy, act] = useAct();
  const mail = useSession((s) => s.features["mail"] === true);
  const asks = mail && state.email !== null && !state.confirmed && !state.pending;
  const remove = state.removable ? <Button onClick={() => onOpen("remove")}>{t("common.remove")}</Button> : null;
  return (
    <>
      {mail ? null : <p className="muted" data-testid="address-off">{t("address.off")}</p>}
      {mail || remove ? (
        <div className="address-acts">
          {asks ? <Button variant="primary" busy={busy} onClick={() => act(async () => onDone(await api.resendEmail(), t("address.sent")))}>{t("address.confirm")}</Button> : null}
          {mail ? <Button onClick={() => onOpen("change")}>{t(state.email !== null ? "address.change" : state.pending ? "address.other" : "address.add")}</Button> : null}
          {remove}
        </div>
      ) : null}
      {mail && state.email !== null && !state.removable ? <p className="muted">{t("address.onlyLogin")}</p> : null}
    </>
  );
}

const FIRST = "input:not(.vh)";

/** What both forms share: the password, what the server said about it, and the first field in hand. */
function AddressForm({ act, danger, onClose, work, children, fault, onFault }: {
  act: string;
  danger?: boolean;
  onClose: () => void;
  /** Raises `ApiError`. */
  work: (password: string) => Promise<void>;
  children?: ReactNode;
  /** Whether this is said beside a field of `children`. */
  fault?: (problem: unknown) => boolean;
  onFault?: () => void;
}) {
  const { t } = useTranslation();
  const user = useUser();
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [wrong, setWrong] = useState(false);
  const id = useId();
  const focusIn = (what: string): boolean => {
    const found = document.getElementById(id)?.querySelector<HTMLElement>(what);
    found?.focus();
    return found != null;
  };
  useEffect(() => void focusIn(FIRST), [id]);

  async function send(): Promise<void> {
    if (busy) return;
    setBusy(true);
    setError(null);
    setWrong(false);
    onFault?.();
    try {
      await work(password);
    } catch (problem) {
      setBusy(false);
      if (problem instanceof ApiError && problem.code === "wrong_password") setWrong(true);
      else if (!fault?.(problem)) setError(errorText(problem, t));
      // The button had the focus, and lost it when it was switched off: back to what is to be mended.
      requestAnimationFrame(() => focusIn("[aria-invalid]") || focusIn(FIRST));
    }
  }

  return (
    <Form id={id} className="form" onSubmit={() => void send()} onKeyDown={(event) => { if (event.key === "Escape") onClose(); }}>
      {error ? <Notice tone="bad">{error}</Notice> : null}
      {children}
      {/* For managers of passwords: whose it is. */}
      <input className="vh" type="text" name="username" autoComplete="username" value={user?.username ?? user?.email ?? ""} readOnly tabIndex={-1} aria-hidden />
      <TextField label={t("settings.current")} type="password" name="current" autoComplete="current-password" required maxLength={200} value={password} error={wrong ? t("error.code.wrong_password") : undefined} onChange={(e) => { setPassword(e.target.value); setWrong(false); }} />
      <div className="address-acts">
        <Button type="submit" variant={danger ? "danger" : "primary"} busy={busy}>{act}</Button>
        <Button variant="ghost" onClick={onClose}>{t("common.cancel")}</Button>
      </div>
    </Form>
  );
}

function ChangeForm({ known, onDone, onClose }: Done & { known: string | null; onClose: () => void }) {
  const { t } = useTranslation();
  const [email, setEmail] = useState("");
  const [wrong, setWrong] = useState<string | undefined>();
  function fault(problem: unknown): boolean {
    if (!(problem instanceof ApiError)) return false;
    const said = problem.code === "same_email" ? t("error.code.same_email") : problem.code === "invalid" && problem.details["field"] === "email" ? t("form.email") : undefined;
    setWrong(said);
    return said !== undefined;
  }
  return (
    <AddressForm act={t("address.send")} onClose={onClose} fault={fault} onFault={() => setWrong(undefined)} work={async (password) => onDone(await api.requestEmail(email.trim(), password), t("address.sent"))}>
      <TextField label={t(known === null ? "auth.email" : "address.new")} type="email" name="email" autoComplete="email" autoCapitalize="none" required maxLength={254} hint={t("address.sendHint")} value={email} error={wrong} onChange={(e) => { setEmail(e.target.value); setWrong(undefined); }} />
    </AddressForm>
  );
}

function RemoveForm({ onDone, onClose }: Done & { onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <AddressForm act={t("address.remove")} danger onClose={onClose} work={async (password) => onDone(await api.removeEmail(password), t("address.removed"))}>
      <p>{t("address.removeHint")}</p>
    </AddressForm>
  );
}
