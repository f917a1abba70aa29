import { LinkIcon } from "lucide-react";
import { useState } from "react";
import type { FormEvent } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useNavigate, useParams } from "react-router";
import { api, ApiError } from "../../api";
import { errorText, signedIn, useSession } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useLanguage } from "../../app/useLanguage";
import { useLoad } from "../../app/useLoad";
import { useTitle } from "../../app/useTitle";
import { Button } from "../../ui/Button";
import { TextField } from "../../ui/Field";
import { Form } from "../../ui/Form";
import { Phrases } from "../../ui/Phrases";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";

export function InvitePage() {
  const { token = "" } = useParams();
  const { t } = useTranslation();
  const [invite, reload] = useLoad((signal) => api.invite(token, signal), token);
  useTitle(invite.data?.trip_title ?? null);
  if (invite.status === "loading") {
    return <Shell narrow><Delayed><div className="card panel"><Skeleton w="60%" /><Skeleton h={28} w="80%" /><Skeleton h={44} /></div></Delayed></Shell>;
  }
  if (invite.status === "failed") {
    const dead = invite.error instanceof ApiError && [403, 404, 410].includes(invite.error.status);
    return (
      <Shell narrow>
        {dead ? (
          <Empty level={1} icon={<LinkIcon size={26} />} title={t("invite.invalidTitle")} actions={<Link className="btn btn-secondary btn-md" to="/">{t("common.home")}</Link>}>
            {t("invite.invalid")}
          </Empty>
        ) : (
          <Notice tone="bad" action={<Button size="sm" onClick={reload}>{t("common.retry")}</Button>}>{errorText(invite.error, t)}</Notice>
        )}
      </Shell>
    );
  }
  return <Accept token={token} title={invite.data.trip_title} inviter={invite.data.inviter_name} role={invite.data.role} member={invite.data.member} tripId={invite.data.trip_id} />;
}

interface AcceptProps {
  token: string;
  title: string;
  inviter: string;
  role: string;
  member: boolean;
  tripId: string | undefined;
}

function Accept({ token, title, inviter, role, member, tripId }: AcceptProps) {
  const { t } = useTranslation();
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const language = useLanguage();
  const session = useSession();
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function join(event: FormEvent): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      if (!session.user) signedIn((await api.guest(name.trim(), language)).user);
      const { trip_id } = await api.acceptInvite(token);
      navigate(`/t/${trip_id}`);
    } catch (problem) {
      setError(errorText(problem, t));
      setBusy(false);
    }
  }

  return (
    <Shell narrow>
      <Form className="card panel" onSubmit={(event) => void join(event)}>
        <div>
          <p className="muted">{t("invite.invited", { name: inviter })}</p>
          <h1 className="page-title"><Phrases>{title}</Phrases></h1>
          <p className="lead">{member ? t("invite.already") : t("invite.asRole", { what: t(role === "viewer" ? "invite.canView" : "invite.canEdit") })}</p>
        </div>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        {member && tripId ? (
          <Link className="btn btn-primary btn-lg btn-block" to={`/t/${tripId}`}>{t("invite.openTrip")}</Link>
        ) : session.status === "loading" ? (
          <Skeleton h={46} />
        ) : session.user ? (
          <Button type="submit" variant="primary" size="lg" block busy={busy}>{t("invite.joinAs", { name: session.user.name })}</Button>
        ) : (
          <>
            <TextField label={t("home.yourName")} name="name" autoComplete="nickname" placeholder={t("home.namePlaceholder")} required maxLength={60} value={name} onChange={(e) => setName(e.target.value)} />
            <Button type="submit" variant="primary" size="lg" block busy={busy}>{t("invite.joinGuest")}</Button>
            <p className="aside"><Link to="/login" state={{ next: pathname }}>{t("invite.orSignIn")}</Link></p>
          </>
        )}
      </Form>
    </Shell>
  );
}
