/** A place for a photo with everything that may be done to it: empty, on its way, failed, shown. */
import { ImagePlus, Maximize2, MoreHorizontal, RefreshCw, Trash2, X } from "lucide-react";
import { useId, useRef, useState } from "react";
import type { ReactNode } from "react";
import { sentences } from "../../i18n/format";
import type { Photo } from "../../protocol.gen";
import { useRoom } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Dialog } from "../../ui/Dialog";
import { Menu, MenuItem } from "../../ui/Menu";
import { Notice } from "../../ui/States";
import { useText } from "../room/useText";
import { Picture, photoUrl } from "./Picture";
import type { Place } from "./uploads";
import { type PhotoActions, usePhotoPlace } from "./usePhotoPlace";
import "./photos.css";

export function PhotoSlot({ place, photo, alt, words, sizes, className, empty }: {
  place: Place;
  photo: Photo | null;
  /** What is seen on it. */
  alt: string;
  words: { add: string; change: string; remove: string };
  sizes: string;
  className: string;
  /** The way in while there is no photo; `open` asks for a file. */
  empty: (open: () => void, actions: PhotoActions) => ReactNode;
}) {
  const { t } = useText();
  const actions = usePhotoPlace(place);
  const input = useRef<HTMLInputElement>(null);
  const [large, setLarge] = useState(false);
  const { state, allowed, blocked } = actions;
  const open = () => input.current?.click();
  const key = place === "cover" ? "cover" : `stop-${place.stop}`;
  const shown = photo !== null || (state !== undefined && state.status !== "failed");
  if (!shown && !allowed) return null;
  return (
    <div className={`photo-slot ${className}`} data-testid={`photo-${key}`} data-state={state?.status ?? (photo ? "shown" : "empty")} data-no-drag>
      {allowed ? (
        <input
          ref={input} type="file" accept="image/*" hidden
          onChange={(event) => { actions.add(event.target.files?.[0]); event.target.value = ""; }}
        />
      ) : null}
      {state !== undefined && state.status !== "failed" ? <OnItsWay actions={actions} /> : photo ? (
        <div className="photo-shown">
          <button type="button" className="photo-open" aria-label={t("photo.view", { name: alt })} onClick={() => setLarge(true)}>
            <Still photo={photo} alt={alt} sizes={sizes} eager={place === "cover"} />
          </button>
          {allowed ? (
            <div className="photo-tools">
              <Menu trigger={<IconButton className="photo-menu" label={words.change} tip={false}><MoreHorizontal size={18} aria-hidden /></IconButton>}>
                <MenuItem icon={<Maximize2 size={16} />} onSelect={() => setLarge(true)}>{t("photo.enlarge")}</MenuItem>
                <MenuItem icon={<RefreshCw size={16} />} disabled={blocked !== null} onSelect={() => window.setTimeout(open)}>{words.change}{blocked ? <Why>{blocked}</Why> : null}</MenuItem>
                <MenuItem danger icon={<Trash2 size={16} />} onSelect={actions.remove}>{words.remove}</MenuItem>
              </Menu>
            </div>
          ) : null}
        </div>
      ) : empty(open, actions)}
      {state?.status === "failed" ? (
        <Notice tone="bad" action={<span className="photo-ways">
          {actions.hopeless ? <Button size="sm" disabled={blocked !== null} onClick={open}>{t("photo.another")}</Button>
            : <Button size="sm" disabled={blocked !== null} onClick={actions.retry}>{t("common.retry")}</Button>}
          <IconButton label={t("common.dismiss")} tip={false} onClick={actions.cancel}><X size={16} aria-hidden /></IconButton>
        </span>}>{sentences(t, t("photo.failed"), actions.problem)}</Notice>
      ) : null}
      {large && photo ? <Large photo={photo} alt={alt} onClose={() => setLarge(false)} /> : null}
    </div>
  );
}

const Why = ({ children }: { children: ReactNode }) => <small className="photo-why">{children}</small>;

function Still({ photo, alt, sizes, eager }: { photo: Photo; alt: string; sizes: string; eager: boolean }) {
  const { tripId } = useRoom();
  return <Picture tripId={tripId} photo={photo} alt={alt} sizes={sizes} eager={eager} />;
}

/** The photo as this device has it, how far it is, and the way to stop it. */
function OnItsWay({ actions }: { actions: PhotoActions }) {
  const { t } = useText();
  const id = useId();
  const { state } = actions;
  if (state === undefined || state.status === "failed") return null;
  const percent = state.status === "sending" ? Math.round(state.part * 100) : 100;
  return (
    <div className="photo-coming">
      <img src={state.preview} alt="" draggable={false} />
      <div className="photo-progress">
        <span id={id}>{state.status === "sending" ? t("photo.sending", { percent }) : t("photo.making")}</span>
        <span className="photo-bar" role="progressbar" aria-labelledby={id} aria-valuemin={0} aria-valuemax={100} {...(state.status === "sending" ? { "aria-valuenow": percent } : {})}>
          <span data-wait={state.status === "making" || undefined} style={{ width: `${percent}%` }} />
        </span>
        <Button size="sm" onClick={actions.cancel}>{t("common.cancel")}</Button>
      </div>
    </div>
  );
}

function Large({ photo, alt, onClose }: { photo: Photo; alt: string; onClose: () => void }) {
  const { tripId } = useRoom();
  return (
    <Dialog open onClose={onClose} title={alt} className="photo-large">
      <img src={photoUrl(tripId, photo.id, 1920)} alt={alt} width={photo.width} height={photo.height} style={{ backgroundColor: photo.color }} />
    </Dialog>
  );
}

/** The quiet way in: a button that says what it adds, or why it cannot now. */
export function AddPhoto({ label, open, blocked, className }: { label: string; open: () => void; blocked: string | null; className?: string }) {
  return (
    <button type="button" className={`photo-add ${className ?? ""}`} disabled={blocked !== null} title={blocked ?? undefined} onClick={open}>
      <ImagePlus size={16} aria-hidden />
      <span>{label}{blocked ? <Why>{blocked}</Why> : null}</span>
    </button>
  );
}
