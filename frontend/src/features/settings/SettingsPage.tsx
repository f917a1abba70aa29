import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Link, Navigate, useNavigate } from "react-router";
import { api } from "../../api";
import { errorText, signedIn, signedOut, useSession } from "../../app/session";
import { Shell, themeOptions } from "../../app/Shell";
import { setTheme, useTheme, type ThemeChoice } from "../../app/theme";
import { useLanguage } from "../../app/useLanguage";
import { useTitle } from "../../app/useTitle";
import { setLanguage, type Language } from "../../i18n";
import { clearDevice } from "../../store";
import { Button } from "../../ui/Button";
import { Segmented, TextField } from "../../ui/Field";
import { Form } from "../../ui/Form";
import { Notice, Skeleton } from "../../ui/States";
import { toast } from "../../ui/toast";
import { TileForm } from "../map/TileForm";
import { AddressSection } from "./AddressSection";
import { Section } from "./Section";

export default function SettingsPage() {
  const { t } = useTranslation();
  useTitle(t("settings.title"));
  const { status, user } = useSession();
  if (status === "loading") return <Shell narrow><Skeleton h={220} r={12} /></Shell>;
  if (!user) return <Navigate to="/login" state={{ next: "/settings" }} replace />;
  return (
    <Shell narrow>
      <div className="stack">
        <h1 className="page-title">{t("settings.title")}</h1>
        {user.is_guest ? (
          <Notice action={<Link className="btn btn-primary btn-sm" to="/register">{t("auth.submitKeep")}</Link>}>{t("settings.guestHint")}</Notice>
        ) : null}
        <NameForm key={user.id} name={user.name} username={user.username} />
        {user.is_guest ? null : <AddressSection />}
        {user.is_guest ? null : <PasswordForm />}
        <LookSection />
        <Section title={t("settings.map")}><TileForm /></Section>
        <SessionSection />
      </div>
    </Shell>
  );
}

function NameForm({ name, username }: { name: string; username: string | null }) {
  const { t } = useTranslation();
  const [value, setValue] = useState(name);
  const [busy, setBusy] = useState(false);
  async function save(event: FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    try {
      signedIn((await api.updateMe({ name: value.trim() })).user);
      toast(t("settings.saved"));
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
    }
    setBusy(false);
  }
  return (
    <Section title={t("settings.you")}>
      {username === null ? null : <p className="muted">{t("settings.username", { name: username })}</p>}
      <Form className="form" onSubmit={(event) => void save(event)}>
        <TextField label={t("settings.name")} required maxLength={60} value={value} onChange={(e) => setValue(e.target.value)} autoComplete="nickname" />
        <div><Button type="submit" busy={busy} disabled={!value.trim() || value.trim() === name}>{t("common.save")}</Button></div>
      </Form>
    </Section>
  );
}

function LookSection() {
  const { t } = useTranslation();
  const language = useLanguage();
  const choice = useTheme((s) => s.choice);
  function change(next: Language): void {
    setLanguage(next);
    api.updateMe({ locale: next }).then(({ user }) => signedIn(user), () => undefined);
  }
  return (
    <Section title={t("settings.look")}>
      <Segmented<Language> label={t("common.language")} value={language} onChange={change} options={[{ value: "zh", label: "简体中文" }, { value: "en", label: "English" }]} />
      <Segmented<ThemeChoice> label={t("common.theme")} value={choice} onChange={setTheme} options={themeOptions(t)} />
    </Section>
  );
}

function PasswordForm() {
  const { t } = useTranslation();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  async function save(event: FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await api.changePassword(current, next);
      setCurrent("");
      setNext("");
      toast(t("settings.passwordChanged"));
    } catch (problem) {
      setError(errorText(problem, t));
    }
    setBusy(false);
  }
  return (
    <Section title={t("settings.password")}>
      <Form className="form" onSubmit={(event) => void save(event)}>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        <TextField label={t("settings.current")} type="password" autoComplete="current-password" required value={current} onChange={(e) => setCurrent(e.target.value)} />
        <TextField label={t("settings.newPassword")} type="password" autoComplete="new-password" required minLength={10} hint={t("auth.passwordHint")} value={next} onChange={(e) => setNext(e.target.value)} />
        <div><Button type="submit" busy={busy}>{t("settings.changePassword")}</Button></div>
      </Form>
    </Section>
  );
}

function SessionSection() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  async function leave(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
      await clearDevice().catch(() => undefined);
      signedOut();
      navigate("/");
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
    }
  }
  return (
    <Section title={t("settings.sessions")}>
      <p className="muted">{t("settings.logoutAllHint")}</p>
      <div style={{ display: "flex", gap: 8, flexWrap: "wrap" }}>
        <Button onClick={() => void leave(api.logout)}>{t("settings.logout")}</Button>
        <Button variant="danger" onClick={() => void leave(api.logoutAll)}>{t("settings.logoutAll")}</Button>
      </div>
    </Section>
  );
}
