import { Copy, LinkIcon, Plus, Send, X } from "lucide-react";
import { useState } from "react";
import { api } from "../../api";
import { errorText, useSession } from "../../app/session";
import { useLoad } from "../../app/useLoad";
import { formatMoment } from "../../i18n/format";
import { useLinked, useRoom } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { copyText } from "../../ui/copy";
import { Field, SelectField, Segmented } from "../../ui/Field";
import { Notice } from "../../ui/States";
import { toast } from "../../ui/toast";
import { useText } from "../room/useText";
import { MOST_ADDRESSES, readAddresses } from "./addresses";

const EXPIRY = { never: null, hours24: 24, days7: 168, days30: 720 } as const;

/** Links that let others in: made, copied, withdrawn. For owners. */
export function Invites() {
  const { t, language } = useText();
  const { tripId } = useRoom();
  const online = useLinked();
  const [role, setRole] = useState<"editor" | "viewer">("editor");
  const [expiry, setExpiry] = useState<keyof typeof EXPIRY>("days7");
  const [link, setLink] = useState<{ id: string; url: string } | null>(null);
  const url = link?.url ?? null;
  const mayMail = useSession((s) => s.features["mail"] === true && s.user?.is_guest === false);
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState<string | undefined>();
  const { good, bad } = readAddresses(mayMail ? typed : "");
  const [busy, setBusy] = useState(false);
  const [list, reload] = useLoad(async () => (await api.invites(tripId)).invites, tripId);
  const active = (list.data ?? []).filter((invite) => !invite.revoked && (!invite.expires_at || new Date(invite.expires_at).getTime() > Date.now()));

  async function create(): Promise<void> {
    const fault = bad.length > 0 ? t("people.mailBad", { what: bad.join(language === "zh" ? "、" : ", ") }) : good.length > MOST_ADDRESSES ? t("people.mailMany", { count: MOST_ADDRESSES }) : undefined;
    setWrong(fault);
    if (fault) return;
    setBusy(true);
    try {
      const made = await api.createInvite(tripId, role, EXPIRY[expiry], { to: good, locale: language });
      if (made.mails > 0) {
        toast(t("people.mailSent", { count: made.mails }));
        setTyped("");
      }
      const full = new URL(made.url, window.location.origin).href;
      setLink({ id: made.invite.id, url: full });
      reload();
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
    }
    setBusy(false);
  }
  async function revoke(id: string): Promise<void> {
    try {
      await api.revokeInvite(tripId, id);
      setLink((shown) => (shown?.id === id ? null : shown));
      toast(t("people.revoked"));
      reload();
    } catch (problem) {
      toast(errorText(problem, t), { tone: "bad" });
    }
  }

  return (
    <section className="invites">
      <h3 className="people-title">{t("people.invites")}</h3>
      {online ? null : <Notice tone="warn">{t("people.offlineInvites")}</Notice>}
      <div className="invite-form">
        <Segmented label={t("people.roleFor")} value={role} onChange={setRole} options={[{ value: "editor", label: t("role.editor") }, { value: "viewer", label: t("role.viewer") }]} />
        <SelectField label={t("people.expires")} value={expiry} onChange={(e) => setExpiry(e.target.value as keyof typeof EXPIRY)}>
          {(Object.keys(EXPIRY) as (keyof typeof EXPIRY)[]).map((key) => <option key={key} value={key}>{t(`people.${key}`)}</option>)}
        </SelectField>
        {mayMail ? (
          <Field label={<>{t("people.mailTo")} <small className="muted">{t("common.optional")}</small></>} hint={t("people.mailHint", { count: MOST_ADDRESSES })} error={wrong}>
            {(ids) => <textarea className="input" rows={2} inputMode="email" autoComplete="off" autoCapitalize="none" spellCheck={false} maxLength={4000} value={typed} onChange={(e) => { setTyped(e.target.value); setWrong(undefined); }} data-testid="invite-mail" {...ids} />}
          </Field>
        ) : null}
        <Button variant="primary" block icon={good.length > 0 ? <Send size={16} aria-hidden /> : <Plus size={16} aria-hidden />} busy={busy} disabled={!online} onClick={() => void create()}>{good.length > 0 ? t("people.createMail", { count: good.length }) : t("people.create")}</Button>
      </div>
      {url ? (
        <div className="invite-made" data-testid="invite-made">
          <input className="input input-mono" readOnly value={url} aria-label={t("people.link")} data-testid="invite-url" onFocus={(e) => e.currentTarget.select()} />
          <Button icon={<Copy size={15} aria-hidden />} onClick={() => void copyText(url)}>{t("people.copyLink")}</Button>
          <p className="muted">{t("people.linkOnce")}</p>
        </div>
      ) : null}
      {active.length > 0 ? (
        <ul className="invite-list">
          {active.map((invite) => (
            <li key={invite.id}>
              <LinkIcon size={15} aria-hidden />
              <span><b>{t(`role.${invite.role}`)}</b> <small className="muted">{invite.expires_at ? t("people.expiresAt", { when: formatMoment(invite.expires_at, language) }) : t("people.noExpiry")}</small></span>
              <IconButton label={t("people.revoke")} onClick={() => void revoke(invite.id)}><X size={16} aria-hidden /></IconButton>
            </li>
          ))}
        </ul>
      ) : null}
    </section>
  );
}
