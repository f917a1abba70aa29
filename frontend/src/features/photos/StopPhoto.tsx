/** The photo of a stop: in its editor, with everything, and small in its row. */
import type { Stop } from "../../protocol.gen";
import { useRoom } from "../../store";
import { useText } from "../room/useText";
import { Picture } from "./Picture";
import { AddPhoto, PhotoSlot } from "./PhotoSlot";

export function StopPhoto({ stop }: { stop: Stop }) {
  const { t, name } = useText();
  const words = { add: t("photo.add"), change: t("photo.change"), remove: t("photo.remove") };
  return (
    <PhotoSlot
      place={{ stop: stop.id }} photo={stop.photo ?? null} alt={name(stop)} words={words} className="photo-stop" sizes="(max-width: 719px) 92vw, 520px"
      empty={(open, { blocked }) => <AddPhoto className="photo-add-wide" label={words.add} open={open} blocked={blocked} />}
    />
  );
}

/** Says nothing to screen readers: the name stands beside it. */
export function StopThumb({ stop }: { stop: Stop }) {
  const { tripId } = useRoom();
  if (!stop.photo) return null;
  return <Picture className="stop-thumb" tripId={tripId} photo={stop.photo} alt="" sizes="56px" />;
}
