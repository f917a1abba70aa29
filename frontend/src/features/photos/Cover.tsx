/** The trip's cover above its plan. */
import { useTrip } from "../../store";
import { useText } from "../room/useText";
import { AddPhoto, PhotoSlot } from "./PhotoSlot";

export function Cover() {
  const { t } = useText();
  const trip = useTrip();
  if (!trip) return null;
  const words = { add: t("photo.addCover"), change: t("photo.changeCover"), remove: t("photo.removeCover") };
  return (
    <PhotoSlot
      place="cover" photo={trip.cover ?? null} alt={trip.title} words={words} className="photo-cover" sizes="(max-width: 719px) 100vw, 560px"
      empty={(open, { blocked }) => <AddPhoto label={words.add} open={open} blocked={blocked} />}
    />
  );
}
