import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, useLocation, useNavigate } from "react-router";
import { api, type User } from "../../api";
import { errorText, signedIn, useSession, useUser } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useTitle } from "../../app/useTitle";
import { currentLanguage } from "../../i18n";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/Field";
import { Form } from "../../ui/Form";
import { Notice } from "../../ui/States";

/** Where to go after signing in: back to what was asked for. */
function useNext(): string {
  const { state } = useLocation() as { state: { next?: string } | null };
  return state?.next?.startsWith("/") ? state.next : "/trips";
}

function useForm(): { busy: boolean; error: string | null; send: (event: FormEvent, work: () => Promise<User>) => void } {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const { t } = useTranslation();
  const navigate = useNavigate();
  const next = useNext();
  function send(event: FormEvent, work: () => Promise<User>): void {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    work().then(
      (user) => {
        signedIn(user);
        navigate(next, { replace: true });
      },
      (problem: unknown) => {
        setError(errorText(problem, t));
        setBusy(false);
      },
    );
  }
  return { busy, error, send };
}

export function LoginPage() {
  const { t } = useTranslation();
  useTitle(t("auth.loginTitle"));
  const { busy, error, send } = useForm();
  const next = useNext();
  const mail = useSession((s) => s.features["mail"] === true);
  const [login, setLogin] = useState("");
  const [password, setPassword] = useState("");
  return (
    <Shell narrow>
      <Form className="card panel" onSubmit={(e) => send(e, async () => (await api.login(login.trim(), password)).user)}>
        <h1 className="page-title">{t("auth.loginTitle")}</h1>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        <TextField label={t("auth.login")} name="login" autoComplete="username" autoCapitalize="none" required value={login} onChange={(e) => setLogin(e.target.value)} />
        <TextField label={t("auth.password")} name="password" type="password" autoComplete="current-password" required value={password} onChange={(e) => setPassword(e.target.value)} />
        <Button type="submit" variant="primary" size="lg" block busy={busy}>{t("auth.submitLogin")}</Button>
        {mail ? <p className="aside"><Link to="/forgot" state={{ login: login.trim() }}>{t("reset.forgot")}</Link></p> : null}
        <p className="aside">{t("auth.noAccount")} <Link to="/register" state={{ next }}>{t("auth.createOne")}</Link></p>
      </Form>
    </Shell>
  );
}

export function RegisterPage() {
  const { t } = useTranslation();
  const user = useUser();
  const guest = user?.is_guest ?? false;
  useTitle(t(guest ? "auth.keepTitle" : "auth.registerTitle"));
  const { busy, error, send } = useForm();
  const next = useNext();
  const [name, setName] = useState<string | null>(null);
  const [username, setUsername] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [missing, setMissing] = useState(false);
  // Only a guest, or nobody, has an account to make; whoever just made one goes where it was wanted.
  if (user && !guest && !busy) return <Navigate to={next} replace />;
  const shownName = name ?? user?.name ?? "";

  function submit(event: FormEvent): void {
    if (!username.trim() && !email.trim()) {
      event.preventDefault();
      setMissing(true);
      return;
    }
    send(event, async () => {
      const body = { name: shownName.trim(), password, locale: currentLanguage(), ...(username.trim() ? { username: username.trim() } : {}), ...(email.trim() ? { email: email.trim() } : {}) };
      return (await api.register(body)).user;
    });
  }

  return (
    <Shell narrow>
      <Form className="card panel" onSubmit={submit}>
        <div>
          <h1 className="page-title">{t(guest ? "auth.keepTitle" : "auth.registerTitle")}</h1>
          {guest ? <p className="lead">{t("auth.keepLead")}</p> : null}
        </div>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        <TextField label={t("auth.name")} name="name" autoComplete="nickname" required maxLength={60} value={shownName} onChange={(e) => setName(e.target.value)} />
        <TextField label={t("auth.username")} name="username" autoComplete="username" autoCapitalize="none" maxLength={40} value={username} onChange={(e) => { setUsername(e.target.value); setMissing(false); }} hint={t("auth.oneOf")} error={missing ? t("auth.oneOf") : undefined} />
        <TextField label={t("auth.email")} name="email" type="email" autoComplete="email" value={email} onChange={(e) => { setEmail(e.target.value); setMissing(false); }} />
        <TextField label={t("auth.password")} name="password" type="password" autoComplete="new-password" required minLength={10} hint={t("auth.passwordHint")} value={password} onChange={(e) => setPassword(e.target.value)} />
        <Button type="submit" variant="primary" size="lg" block busy={busy}>{t(guest ? "auth.submitKeep" : "auth.submitRegister")}</Button>
        <p className="aside">{t("auth.hasAccount")} <Link to="/login" state={{ next }}>{t("auth.submitLogin")}</Link></p>
      </Form>
    </Shell>
  );
}
