import { ArrowRightLeft, Trash2, X } from "lucide-react";
import { useRoom } from "../../store";
import { Button, IconButton } from "../../ui/Button";
import { Menu } from "../../ui/Menu";
import { boardOrder } from "../room/itinerary";
import { useText } from "../room/useText";
import { useView, view } from "../room/view";
import { MoveTargets, useStopActions } from "./StopMenu";

/** What can be done with several chosen stops. */
export function SelectionBar() {
  const { t } = useText();
  const selected = useView((s) => s.selected);
  const room = useRoom();
  const actions = useStopActions();
  if (selected.size === 0) return null;
  const ids = () => boardOrder(room.store.getState()).filter((id) => selected.has(id));
  return (
    <div className="selection-bar" role="toolbar" aria-label={t("stop.selected", { count: selected.size })} data-testid="selection">
      <b className="num">{t("stop.selected", { count: selected.size })}</b>
      <Menu trigger={<Button size="sm" icon={<ArrowRightLeft size={15} aria-hidden />}>{t("stop.moveTo")}</Button>}>
        <MoveTargets onMove={(day) => { actions.move(ids(), day); view.select([]); }} />
      </Menu>
      <Button size="sm" variant="danger" icon={<Trash2 size={15} aria-hidden />} onClick={() => { actions.remove(ids()); view.select([]); }}>{t("common.remove")}</Button>
      <IconButton label={t("stop.unselect")} tip={false} onClick={() => view.select([])}><X size={17} aria-hidden /></IconButton>
    </div>
  );
}
