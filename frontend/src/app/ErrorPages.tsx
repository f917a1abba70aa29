import { Compass, DoorClosed, RefreshCw, Trash2, UserRound } from "lucide-react";
import { useEffect, type ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "react-router";
import { Button } from "../ui/Button";
import { Empty } from "../ui/States";
import { Shell } from "./Shell";
import { recheckSession, useUser } from "./session";
import { useTitle } from "./useTitle";

function ErrorPage({ icon, title, children, actions }: { icon: ReactNode; title: string; children: ReactNode; actions?: ReactNode }) {
  useTitle(title);
  return (
    <Shell narrow>
      <Empty level={1} icon={icon} title={title} actions={actions}>{children}</Empty>
    </Shell>
  );
}

function HomeLink() {
  const { t } = useTranslation();
  const user = useUser();
  return <Link className="btn btn-secondary btn-md" to={user ? "/trips" : "/"}>{t(user ? "trips.title" : "common.home")}</Link>;
}

export function NotFoundPage() {
  const { t } = useTranslation();
  return <ErrorPage icon={<Compass size={28} />} title={t("error.notFoundTitle")} actions={<HomeLink />}>{t("error.notFound")}</ErrorPage>;
}

export function NoAccessPage() {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  return (
    <ErrorPage
      icon={<DoorClosed size={28} />}
      title={t("error.noAccessTitle")}
      actions={<><HomeLink /><Link className="btn btn-ghost btn-md" to="/login" state={{ next: pathname }}>{t("common.signIn")}</Link></>}
    >
      {t("error.noAccess")}
    </ErrorPage>
  );
}

export function SignInNeededPage() {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  // A room's socket says it first; the head of the page shall not go on showing who was signed in.
  useEffect(() => void recheckSession(), []);
  return (
    <ErrorPage
      icon={<UserRound size={28} />}
      title={t("error.signInTitle")}
      actions={<Link className="btn btn-primary btn-md" to="/login" state={{ next: pathname }}>{t("common.signIn")}</Link>}
    >
      {t("error.signIn")}
    </ErrorPage>
  );
}

export function GonePage({ onRestore }: { onRestore?: (() => void) | undefined }) {
  const { t } = useTranslation();
  return (
    <ErrorPage
      icon={<Trash2 size={28} />}
      title={t("error.goneTitle")}
      actions={<><HomeLink />{onRestore ? <Button variant="primary" onClick={onRestore}>{t("error.restoreTrip")}</Button> : <Button onClick={() => window.location.reload()}>{t("common.retry")}</Button>}</>}
    >
      {t("error.gone")}
    </ErrorPage>
  );
}

export function ReloadPage({ kind }: { kind: "upgrade" | "tooMany" | "crash" | "part" }) {
  const { t } = useTranslation();
  return (
    <ErrorPage
      icon={<RefreshCw size={28} />}
      title={t(`error.${kind}Title`)}
      actions={<Button variant="primary" onClick={() => window.location.reload()}>{t("common.reload")}</Button>}
    >
      {t(`error.${kind}`)}
    </ErrorPage>
  );
}
