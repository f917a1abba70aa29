/** The trip as a file: what each kind is good for, how far it is, and the way to it. */
import { Braces, CalendarDays, Check, Download, Printer } from "lucide-react";
import type { ReactNode } from "react";
import { useStore } from "zustand";
import { api, type ExportFormat } from "../../api";
import { codeText } from "../../app/session";
import { ApiError } from "../../api";
import { useLinked, useRoom } from "../../store";
import { Button } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Notice } from "../../ui/States";
import { useText } from "../room/useText";
import { Exporting, fileUrl, keyOf, saveFile } from "./exporting";
import "./export.css";

const exporting = new Exporting(api, saveFile);
const FORMATS: readonly (readonly [ExportFormat, ReactNode])[] = [
  ["page", <Printer key="page" size={20} aria-hidden />],
  ["calendar", <CalendarDays key="calendar" size={20} aria-hidden />],
  ["data", <Braces key="data" size={20} aria-hidden />],
];

export function ExportDialog({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  const online = useLinked();
  return (
    <Dialog open onClose={onClose} title={t("export.title")} description={t("export.hint")}>
      {online ? null : <Notice tone="warn">{t("export.offline")}</Notice>}
      <ul className="exports">
        {FORMATS.map(([format, icon]) => <Row key={format} format={format} icon={icon} online={online} />)}
      </ul>
    </Dialog>
  );
}

function Row({ format, icon, online }: { format: ExportFormat; icon: ReactNode; online: boolean }) {
  const { t, language } = useText();
  const { tripId } = useRoom();
  const state = useStore(exporting.store, (all) => all[keyOf(tripId, format)]);
  const start = () => void exporting.start(tripId, format, language);
  const working = state?.status === "working";
  const name = t(`export.${format}`);
  return (
    <li className="export-row" data-testid={`export-${format}`} data-state={state?.status ?? "idle"}>
      <span className="export-icon">{icon}</span>
      <span className="export-text"><b>{name}</b><small>{t(`export.${format}Hint`)}</small></span>
      <Button size="sm" busy={working} disabled={!online} icon={working ? <span className="export-turning" aria-hidden /> : <Download size={16} aria-hidden />} aria-label={`${name}: ${t(working ? "export.working" : "export.start")}`} onClick={start}>
        {t(working ? "export.working" : "export.start")}
      </Button>
      <div className="export-end" aria-live="polite">
        {state?.status === "done" ? (
          <p className="export-done"><Check size={16} aria-hidden />{t("export.done")} <a href={fileUrl(state.id)} download={state.name}>{t("export.save", { name: state.name })}</a></p>
        ) : null}
        {state?.status === "failed" ? (
          <Notice tone="bad" action={<Button size="sm" onClick={start}>{t("common.retry")}</Button>}>{said(state.error, t)}</Notice>
        ) : null}
      </div>
    </li>
  );
}

function said(error: unknown, t: (key: string, options?: Record<string, unknown>) => string): string {
  const code = error instanceof ApiError ? error.code : "internal";
  // What the server's workers met says nothing to people.
  return t("export.failed") + " " + codeText(code === "internal" || code === "worker_lost" ? "export_failed" : code, String(error), t);
}
