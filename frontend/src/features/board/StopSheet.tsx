import { useStop } from "../../store";
import { Dialog } from "../../ui/Dialog";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { StopEditor } from "./StopEditor";

/** On phones a stop opens as a sheet from the bottom. */
export function StopSheet() {
  const { name } = useText();
  const id = useView((s) => s.openStop);
  const picking = useView((s) => s.picking);
  const stop = useStop(id ?? "");
  if (!id || !stop || picking) return null;
  return (
    <Dialog open kind="sheet" onClose={() => view.open(null)} title={name(stop)}>
      <StopEditor id={id} sheet />
    </Dialog>
  );
}
