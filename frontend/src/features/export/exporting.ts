/**
 * Exports that this page has asked for: how far each is, until its file is saved.
 *
 * Owns asking, waiting and what went wrong, one export a trip and format. Goes on while the dialog is
 * closed. Free of React: the dialog reads `store`.
 */
import { createStore } from "zustand/vanilla";
import { type Api, ApiError, type ExportFormat } from "../../api";
import { type Clock, systemClock } from "../../realtime/clock";
import type { Language } from "../../i18n";

export type ExportState =
  | { status: "working" }
  | { status: "done"; id: string; name: string }
  | { status: "failed"; error: unknown };

export type ExportApi = Pick<Api, "startExport" | "exported">;

const FIRST_MS = 400;
const MOST_MS = 3_000;
/** Errors in a row while waiting: the export itself goes on without us. */
const PATIENCE = 5;
/** Longer than three attempts of the server with everything that may hold it up. */
const LONGEST_MS = 10 * 60_000;

export const keyOf = (tripId: string, format: ExportFormat): string => `${tripId} ${format}`;
export const fileUrl = (id: string): string => `/api/exports/${encodeURIComponent(id)}/file`;

export class Exporting {
  readonly store = createStore<Readonly<Record<string, ExportState>>>(() => ({}));

  constructor(private readonly api: ExportApi, private readonly save: (id: string, name: string) => void, private readonly clock: Clock = systemClock) {}

  /** Ask for an export, wait for it, save its file. Never throws: see the store. */
  async start(tripId: string, format: ExportFormat, locale: Language): Promise<void> {
    const key = keyOf(tripId, format);
    if (this.store.getState()[key]?.status === "working") return;
    this.store.setState({ [key]: { status: "working" } });
    try {
      const done = await this.wait((await this.api.startExport(tripId, format, locale)).export.id);
      this.store.setState({ [key]: { status: "done", ...done } });
      this.save(done.id, done.name);
    } catch (error) {
      this.store.setState({ [key]: { status: "failed", error } });
    }
  }

  private async wait(id: string): Promise<{ id: string; name: string }> {
    let waited = 0;
    let failures = 0;
    for (let pause = FIRST_MS; waited < LONGEST_MS; pause = Math.min(pause * 1.5, MOST_MS)) {
      await new Promise<void>((wake) => { this.clock.setTimeout(wake, pause); });
      waited += pause;
      try {
        const { export: found } = await this.api.exported(id);
        failures = 0;
        if (found.status === "done") return { id, name: found.name ?? "" };
        if (found.status === "failed") throw new ApiError(200, found.error ?? "internal", "the export failed", true);
      } catch (error) {
        failures += 1;
        if (!(error instanceof ApiError) || error.status === 200 || !error.retryable || failures >= PATIENCE) throw error;
      }
    }
    throw new ApiError(0, "export_slow", "the export takes too long", true);
  }
}

/** A download, as if its link had been clicked. */
export function saveFile(id: string, name: string): void {
  const link = document.createElement("a");
  link.href = fileUrl(id);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
}
