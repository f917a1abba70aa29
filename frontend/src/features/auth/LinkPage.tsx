/** The page behind a link that came by mail, while it is found out what the link is good for; and what is said
    when it is good for nothing. Its secret stands behind `#` in the address, which browsers send to nobody; from
    here it leaves in a body only. */
import { LinkIcon } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "react-router";
import { ApiError } from "../../api";
import { errorText } from "../../app/session";
import { Shell } from "../../app/Shell";
import { useLoad } from "../../app/useLoad";
import { Button } from "../../ui/Button";
import { Delayed, Empty, Notice, Skeleton } from "../../ui/States";

interface LinkPageProps<T> {
  check: (token: string, signal: AbortSignal) => Promise<T>;
  /** Why it may be dead, and the way to another one. */
  dead: string;
  another: ReactNode;
  /** `onDead`: the link turned out to be dead when it was used. */
  children: (offer: T, token: string, onDead: () => void) => ReactNode;
}

export function LinkPage<T>({ check, dead, another, children }: LinkPageProps<T>) {
  const { t } = useTranslation();
  const token = useLocation().hash.slice(1);
  const [link, reload] = useLoad((signal) => check(token, signal), token);
  if (link.status === "ready") return children(link.data, token, reload);
  if (link.status === "loading") {
    return <Shell narrow><Delayed><div className="card panel"><Skeleton w="60%" h={28} /><Skeleton w="80%" /><Skeleton h={44} /></div></Delayed></Shell>;
  }
  // 400: somebody copied half of it.
  const isDead = link.error instanceof ApiError && [400, 410].includes(link.error.status);
  return (
    <Shell narrow>
      {isDead
        ? <Empty level={1} icon={<LinkIcon size={26} />} title={t("reset.expiredTitle")} actions={another}>{dead}</Empty>
        : <Notice tone="bad" action={<Button size="sm" onClick={reload}>{t("common.retry")}</Button>}>{errorText(link.error, t)}</Notice>}
    </Shell>
  );
}
