/** One place of a photo, for its buttons: what is on its way there, and what may be done about it. */
import { useStore } from "zustand";
import { api, ApiError } from "../../api";
import { codeText } from "../../app/session";
import type { Operation } from "../../protocol.gen";
import { newId, useConnection, useIsEditor, useRoom, useSuggesting } from "../../store";
import { dismissToast, toast } from "../../ui/toast";
import { useText } from "../room/useText";
import { keyOf, type Place, showing, Uploads, type UploadState } from "./uploads";

// Loaded with the first photo, so that a room opens without it; where it cannot be, the file is sent as it is.
const uploads = new Uploads(api, (file) => import("./shrink").then(({ shrink }) => shrink(file), () => file));
/** Errors of the server's making, which say nothing to people. */
const OURS = new Set(["internal", "worker_lost", "upload_lost", "interrupted"]);
const HOPELESS = new Set(["broken_image", "too_many_pixels", "photo_too_large", "too_large", "unsupported_media_type"]);
/** What the transport says of a body, in the words of photos. */
const SAID: Record<string, string> = { too_large: "photo_too_large", unsupported_media_type: "broken_image", not_found: "gone" };

let told = 0;

/** What was done, with the way back: of the last thing only, for that is what undo takes back. */
function tell(text: string, label: string, run: () => void): void {
  dismissToast(told);
  told = toast(text, { action: { label, run } });
}

export interface PhotoActions {
  state: UploadState | undefined;
  /** May change it in principle; `blocked` says why not now. */
  allowed: boolean;
  blocked: string | null;
  add(file: File | undefined): void;
  cancel(): void;
  retry(): void;
  remove(): void;
  problem: string;
  /** The same file would be refused again. */
  hopeless: boolean;
}

export function usePhotoPlace(place: Place): PhotoActions {
  const room = useRoom();
  const { t } = useText();
  const editor = useIsEditor();
  const suggesting = useSuggesting();
  const offline = useConnection().state !== "live";
  const state = useStore(uploads.store, (all) => all[keyOf(room.tripId, place)]);
  const { add, said } = usePhotoAdding();
  return {
    state,
    allowed: editor,
    blocked: suggesting ? t("proposal.notWhile") : offline ? t("photo.offline") : null,
    add: (file) => add(place, file),
    cancel: () => uploads.cancel(room.tripId, place),
    retry: () => { if (state?.status === "failed") add(place, state.file); },
    remove: () => {
      const opId = room.client.submit(showing(place, null));
      tell(t(place === "cover" ? "photo.coverRemoved" : "photo.stopRemoved"), t("common.undo"), () => room.client.undo(opId));
    },
    problem: state?.status === "failed" ? said(state.error) : "",
    hopeless: state?.status === "failed" && state.error instanceof ApiError && HOPELESS.has(state.error.code),
  };
}

/** To add a photo to any place of the trip: dropped, pasted or chosen. */
export function usePhotoAdding() {
  const room = useRoom();
  const { t } = useText();

  function add(place: Place, file: File | undefined): void {
    if (!file) return;
    if (!file.type.startsWith("image/")) {
      toast(t("photo.notPhoto"), { tone: "bad" });
      return;
    }
    void uploads.start(room.tripId, place, file, (op) => show(op, place));
  }

  function show(op: Operation, place: Place): void {
    // Who went to another page meanwhile wanted the photo all the same.
    if (room.client.isLeft) {
      void api.operate(room.tripId, newId(), room.store.getState().seq, op).catch(() => undefined);
      return;
    }
    // As the history says it: a first one is added.
    const { trip, stops } = room.store.getState();
    const had = (place === "cover" ? trip?.cover : stops.get(place.stop)?.photo) != null;
    const opId = room.client.submit(op);
    const word = place === "cover" ? (had ? "photo.coverSet" : "photo.coverAdded") : had ? "photo.stopSet" : "photo.stopAdded";
    tell(t(word), t("common.undo"), () => room.client.undo(opId));
  }

  function said(error: unknown): string {
    const code = error instanceof ApiError ? error.code : "internal";
    return codeText(OURS.has(code) ? "export_failed" : (SAID[code] ?? code), error instanceof Error ? error.message : String(error), t);
  }
  return { add, said };
}
