import { ArrowRight, History, Radio, WifiOff } from "lucide-react";
import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Link, useNavigate } from "react-router";
import { errorText, useSession } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useLanguage } from "../../app/useLanguage";
import { useTitle } from "../../app/useTitle";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/Field";
import { Form } from "../../ui/Form";
import { Notice } from "../../ui/States";
import { openSample } from "./demoLink";
import { Preview } from "./Preview";
import "./home.css";

export function HomePage() {
  const { t } = useTranslation();
  useTitle(null);
  return (
    <Shell>
      <div className="hero">
        <div className="hero-words">
          <h1>{t("app.tagline")}</h1>
          <p className="hero-lead">{t("home.lead")}</p>
          <TryIt />
        </div>
        <Preview />
      </div>
      <ul className="points">
        <li><Radio size={20} aria-hidden /><h2>{t("home.p1Title")}</h2><p>{t("home.p1")}</p></li>
        <li><History size={20} aria-hidden /><h2>{t("home.p2Title")}</h2><p>{t("home.p2")}</p></li>
        <li><WifiOff size={20} aria-hidden /><h2>{t("home.p3Title")}</h2><p>{t("home.p3")}</p></li>
      </ul>
      <p className="home-foot">{t("home.source")}</p>
    </Shell>
  );
}

function TryIt() {
  const { t } = useTranslation();
  const language = useLanguage();
  const navigate = useNavigate();
  const { user } = useSession();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function start(event: FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      navigate(await openSample(user?.name ?? name.trim(), language));
    } catch (problem) {
      setError(errorText(problem, t));
      setBusy(false);
    }
  }

  return (
    <Form className="try" onSubmit={(event) => void start(event)}>
      {error ? <Notice tone="bad">{error}</Notice> : null}
      <div className="try-row">
        {user ? null : (
          <TextField label={t("home.yourName")} name="name" placeholder={t("home.namePlaceholder")} required maxLength={60} autoComplete="nickname" value={name} onChange={(e) => setName(e.target.value)} />
        )}
        <Button type="submit" variant="primary" size="lg" busy={busy}>{t("home.tryIt")}<ArrowRight size={18} aria-hidden /></Button>
        {user ? <Link className="btn btn-secondary btn-lg" to="/trips">{t("home.toTrips")}</Link> : null}
      </div>
      <p className="try-hint">{user ? t("home.continueAs", { name: user.name }) : t("home.tryHint")}</p>
      {user ? null : <p className="try-hint">{t("home.haveAccount")} <Link to="/login">{t("common.signIn")}</Link> <span aria-hidden>·</span> <Link to="/register">{t("auth.createOne")}</Link></p>}
    </Form>
  );
}
