import { CloudOff, LoaderCircle, RefreshCw } from "lucide-react";
import { useConnection, useRoomClient } from "../../store";
import { Button } from "../../ui/Button";
import { Popover } from "../../ui/Popover";
import { useText } from "../room/useText";

/** The truth about the connection, in words. A planned restart is none of a traveller's business while it is
    short: what is edited meanwhile shows as being saved, and is kept like everything that waits. */
export function ConnectionPill({ compact }: { compact: boolean }) {
  const { t } = useText();
  const { state: really, restarting, pendingCount } = useConnection();
  const state = restarting ? "live" : really;
  const client = useRoomClient();
  const saving = state === "live" && pendingCount > 0;
  const word = saving ? t("connection.saving", { count: pendingCount }) : t(`connection.${state}`);
  const waiting = state !== "live" && pendingCount > 0 ? t("connection.waiting", { count: pendingCount }) : "";
  const hint = t(restarting ? "connection.restartingHint" : state === "offline" ? "connection.offlineHint" : state === "live" ? (saving ? "connection.savingHint" : "connection.liveHint") : "connection.reconnectingHint");
  const icon = state === "offline" ? <CloudOff size={14} aria-hidden /> : state === "live" ? <span className="live-dot" aria-hidden /> : <LoaderCircle size={14} className="spin" aria-hidden />;
  const quiet = state === "live";
  return (
    <Popover
      label={word}
      trigger={
        <button type="button" className={`pill conn conn-${state} ${compact && quiet ? "conn-compact" : ""}`} data-testid="connection" data-state={really} data-pending={pendingCount}>
          {icon}
          <span role="status" className={compact && quiet ? "vh" : undefined}>
            {word}
            {waiting ? <span className="num"> · {waiting}</span> : null}
          </span>
        </button>
      }
    >
      <p className="pop-text"><b>{word}{waiting ? ` · ${waiting}` : ""}</b></p>
      <p className="pop-text muted">{hint}</p>
      {state === "closed" ? <Button size="sm" icon={<RefreshCw size={14} aria-hidden />} onClick={() => client.reconnect()}>{t("connection.retryNow")}</Button> : null}
    </Popover>
  );
}
