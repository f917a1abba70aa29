/** A forgotten password: ask for a mail, and set a new one with its link. */
import { MailCheck } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useNavigate } from "react-router";
import { api, ApiError } from "../../api";
import { errorText, signedIn, useSession } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useLanguage } from "../../app/useLanguage";
import { useTitle } from "../../app/useTitle";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/Field";
import { Form } from "../../ui/Form";
import { Notice } from "../../ui/States";
import { toast } from "../../ui/toast";
import { LinkPage } from "./LinkPage";

export function ForgotPage() {
  const { t } = useTranslation();
  useTitle(t("reset.forgotTitle"));
  const language = useLanguage();
  const { state } = useLocation() as { state: { login?: string } | null };
  const off = useSession((s) => s.status === "ready" && s.features["mail"] !== true);
  const [login, setLogin] = useState(state?.login ?? "");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const [sentTo, setSentTo] = useState<string | null>(null);

  async function send(): Promise<void> {
    const typed = login.trim();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await api.forgotPassword(typed, language);
      setSentTo(typed);
    } catch (problem) {
      setError(errorText(problem, t));
    }
    setBusy(false);
  }

  if (sentTo !== null) {
    return (
      <Shell narrow>
        <div className="card panel" data-testid="reset-sent">
          <div className="reset-icon" aria-hidden><MailCheck size={26} /></div>
          <div role="status">
            <h1 className="page-title">{t("reset.sentTitle")}</h1>
            <p className="lead">{t("reset.sent", { login: sentTo })}</p>
          </div>
          <p className="muted">{t("reset.sentHint")}</p>
          <Button size="lg" block onClick={() => setSentTo(null)}>{t("reset.again")}</Button>
          <p className="aside"><Link to="/login">{t("reset.toLogin")}</Link></p>
        </div>
      </Shell>
    );
  }
  return (
    <Shell narrow>
      <Form className="card panel" onSubmit={() => void send()}>
        <div>
          <h1 className="page-title">{t("reset.forgotTitle")}</h1>
          <p className="lead">{t(off ? "reset.off" : "reset.forgotLead")}</p>
        </div>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        {off ? null : (
          <>
            <TextField label={t("auth.login")} name="login" autoComplete="username" autoCapitalize="none" required maxLength={254} value={login} onChange={(e) => setLogin(e.target.value)} />
            <Button type="submit" variant="primary" size="lg" block busy={busy}>{t("reset.send")}</Button>
          </>
        )}
        <p className="aside"><Link to="/login">{t("reset.toLogin")}</Link></p>
      </Form>
    </Shell>
  );
}

export function ResetPage() {
  const { t } = useTranslation();
  useTitle(t("reset.title"));
  return (
    <LinkPage check={api.checkReset} dead={t("reset.expired")} another={<Link className="btn btn-primary btn-md" to="/forgot">{t("reset.another")}</Link>}>
      {({ login, name }, token, onDead) => <NewPassword key={token} token={token} login={login} name={name} onDead={onDead} />}
    </LinkPage>
  );
}

function NewPassword({ token, login, name, onDead }: { token: string; login: string; name: string; onDead: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [password, setPassword] = useState("");
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function save(): Promise<void> {
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      const { user } = await api.resetPassword(token, password);
      signedIn(user);
      toast(t("reset.done"));
      navigate("/trips", { replace: true }); // The used link leaves the address.
    } catch (problem) {
      setBusy(false);
      if (problem instanceof ApiError && problem.status === 410) onDead();
      else setError(errorText(problem, t));
    }
  }

  return (
    <Shell narrow>
      <Form className="card panel" onSubmit={() => void save()}>
        <div>
          <h1 className="page-title">{t("reset.title")}</h1>
          <p className="lead">{t("reset.lead", { name })}</p>
        </div>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        {/* For managers of passwords: whose it is. */}
        <input className="vh" type="text" name="username" autoComplete="username" value={login} readOnly tabIndex={-1} aria-hidden />
        <TextField label={t("settings.newPassword")} name="password" type={shown ? "text" : "password"} autoComplete="new-password" required minLength={10} maxLength={200} value={password} onChange={(e) => setPassword(e.target.value)} hint={t("auth.passwordHint")} />
        <label className="reset-show"><input type="checkbox" checked={shown} onChange={(e) => setShown(e.target.checked)} /> {t("reset.show")}</label>
        <Button type="submit" variant="primary" size="lg" block busy={busy}>{t("reset.save")}</Button>
        <p className="aside">{t("reset.ends")}</p>
      </Form>
    </Shell>
  );
}
