import { Dialog } from "../../ui/Dialog";
import { useText } from "../room/useText";
import { TileForm } from "./TileForm";

/** Which map is drawn beneath the trip. */
export function TileDialog({ onClose }: { onClose: () => void }) {
  const { t } = useText();
  return <Dialog open onClose={onClose} title={t("map.settings")}><TileForm onDone={onClose} /></Dialog>;
}
