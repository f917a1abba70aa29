/** What a link in a mail opens: whose address it confirms, and the button that does. Not by itself: programs
    that look at mails open links, too. */
import { MailCheck } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, ApiError } from "../../api";
import { errorText, loadSession, useUser } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useTitle } from "../../app/useTitle";
import { Button } from "../../ui/Button";
import { Notice } from "../../ui/States";
import { LinkPage } from "./LinkPage";

export default function ConfirmPage() {
  const { t } = useTranslation();
  useTitle(t("address.confirmTitle"));
  return (
    <LinkPage check={api.checkEmail} dead={t("address.expired")} another={<Link className="btn btn-primary btn-md" to="/settings">{t("address.toSettings")}</Link>}>
      {({ email, name }, token, onDead) => <Confirm key={token} token={token} email={email} name={name} onDead={onDead} />}
    </LinkPage>
  );
}

function Confirm({ token, email, name, onDead }: { token: string; email: string; name: string; onDead: () => void }) {
  const { t } = useTranslation();
  const user = useUser();
  const [busy, setBusy] = useState(false);
  const [done, setDone] = useState(false);
  const [error, setError] = useState<string | null>(null);

  async function confirm(): Promise<void> {
    setBusy(true);
    setError(null);
    try {
      await api.confirmEmail(token);
      setDone(true);
      void loadSession();
    } catch (problem) {
      if (problem instanceof ApiError && problem.status === 410) onDead();
      else setError(errorText(problem, t));
    }
    setBusy(false);
  }

  const account = user && !user.is_guest;
  return (
    <Shell narrow>
      <div className="card panel" data-testid="confirm">
        <div className="reset-icon" aria-hidden><MailCheck size={26} /></div>
        <div role="status">
          <h1 className="page-title">{t(done ? "address.doneTitle" : "address.confirmTitle")}</h1>
          <p className="lead" style={{ overflowWrap: "anywhere" }}>{t(done ? "address.done" : "address.confirmLead", { email, name })}</p>
        </div>
        {error ? <Notice tone="bad">{error}</Notice> : null}
        {done ? (
          <Link className="btn btn-primary btn-lg btn-block" to={account ? "/settings" : "/login"}>{t(account ? "address.toSettings" : "common.signIn")}</Link>
        ) : (
          <>
            <Button variant="primary" size="lg" block busy={busy} onClick={() => void confirm()}>{t("address.confirmAction")}</Button>
            <p className="aside">{t("address.confirmHint")}</p>
          </>
        )}
      </div>
    </Shell>
  );
}
