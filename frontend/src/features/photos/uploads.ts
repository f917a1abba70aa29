/**
 * Photos on their way from this page to the trip: shrunk, sent, made ready by the server, then shown.
 *
 * Owns one upload a place (the cover, or a stop), its progress, and what went wrong. Goes on while the
 * editor is closed. Free of React: components read `store`.
 */
import { createStore } from "zustand/vanilla";
import { type Api, ApiError } from "../../api";
import { type Clock, systemClock } from "../../realtime/clock";
import { newId } from "../../realtime/ids";
import type { Operation } from "../../protocol.gen";

/** Where a photo goes: the cover, or the stop of this id. */
export type Place = "cover" | { stop: string };

export type UploadState =
  | { status: "sending"; part: number; preview: string }
  | { status: "making"; preview: string }
  | { status: "failed"; error: unknown; file: File; preview: string };

export type PhotoApi = Pick<Api, "uploadPhoto" | "photo">;
export type Shrink = (file: File) => Promise<Blob>;

/** As the server has it (`domain.photos`). */
export const MAX_UPLOAD = 12 * 1024 * 1024;
const FIRST_MS = 300;
const MOST_MS = 2_000;
const LONGEST_MS = 10 * 60_000;
/** Errors in a row while waiting: the server goes on without us. */
const PATIENCE = 5;

export const keyOf = (tripId: string, place: Place): string => `${tripId} ${place === "cover" ? "cover" : place.stop}`;
export const showing = (place: Place, photo: string | null): Operation =>
  place === "cover" ? { kind: "trip.set_cover", photo } : { kind: "stop.set_photo", id: place.stop, photo };

export class Uploads {
  readonly store = createStore<Readonly<Record<string, UploadState>>>(() => ({}));
  private readonly stops = new Map<string, AbortController>();

  constructor(
    private readonly api: PhotoApi,
    private readonly shrink: Shrink,
    private readonly clock: Clock = systemClock,
    private readonly urls: Pick<typeof URL, "createObjectURL" | "revokeObjectURL"> = URL,
  ) {}

  /** Send a photo and show it in its place (`show` submits the operation). A photo that is on its way to
   * the same place is left. Never throws: see the store. */
  async start(tripId: string, place: Place, file: File, show: (op: Operation) => void): Promise<void> {
    const key = keyOf(tripId, place);
    this.cancel(tripId, place);
    const stop = new AbortController();
    this.stops.set(key, stop);
    const preview = this.urls.createObjectURL(file);
    this.put(key, { status: "sending", part: 0, preview });
    try {
      const body = await this.shrink(file);
      if (body.size > MAX_UPLOAD) throw new ApiError(413, "photo_too_large", "too many bytes", false);
      const id = newId();
      const tell = (part: number) => { if (!stop.signal.aborted) this.put(key, { status: "sending", part, preview }); };
      await this.api.uploadPhoto(tripId, id, body, { signal: stop.signal, onProgress: tell });
      if (stop.signal.aborted) return;
      this.put(key, { status: "making", preview });
      await this.ready(tripId, id, stop.signal);
      if (stop.signal.aborted) return;
      show(showing(place, id));
      this.forget(key, preview);
    } catch (error) {
      if (!stop.signal.aborted) this.put(key, { status: "failed", error, file, preview });
    } finally {
      if (this.stops.get(key) === stop) this.stops.delete(key);
    }
  }

  /** Stop, and forget what failed. What has reached the server already is thrown away there after a day. */
  cancel(tripId: string, place: Place): void {
    const key = keyOf(tripId, place);
    this.stops.get(key)?.abort();
    this.stops.delete(key);
    const state = this.store.getState()[key];
    if (state !== undefined) this.forget(key, state.preview);
  }

  private async ready(tripId: string, id: string, signal: AbortSignal): Promise<void> {
    let waited = 0;
    let failures = 0;
    for (let pause = FIRST_MS; waited < LONGEST_MS; pause = Math.min(pause * 1.5, MOST_MS)) {
      await new Promise<void>((wake) => { this.clock.setTimeout(wake, pause); });
      waited += pause;
      if (signal.aborted) return;
      try {
        const { photo } = await this.api.photo(tripId, id, signal);
        failures = 0;
        if (photo.status === "ready") return;
        if (photo.status === "failed") throw new ApiError(200, photo.error ?? "internal", "the photo could not be made ready", false);
      } catch (error) {
        failures += 1;
        if (!(error instanceof ApiError) || !error.retryable || failures >= PATIENCE) throw error;
      }
    }
    throw new ApiError(0, "photo_slow", "the photo takes too long", true);
  }

  private put(key: string, state: UploadState): void {
    this.store.setState({ [key]: state });
  }

  private forget(key: string, preview: string): void {
    this.urls.revokeObjectURL(preview);
    const { [key]: _, ...rest } = this.store.getState();
    this.store.setState(rest, true);
  }
}
