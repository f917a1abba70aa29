/** Declining, with the way back that accepting has; withdrawing one's own is the same. */
import { DECLINE_MS } from "../../realtime/declines";
import { useRoomClient } from "../../store";
import { dismissToast, toast } from "../../ui/toast";
import { useText } from "../room/useText";

export function useDecline(): (id: string, pieces: readonly number[] | null, count: number, own: boolean) => void {
  const { review } = useRoomClient();
  const { t } = useText();
  return (id, pieces, count, own) => {
    let shown = 0;
    const takeBack = review.declineSoon(id, pieces, () => dismissToast(shown));
    shown = toast(t(own ? "proposal.toastWithdrawn" : "proposal.toastDeclined", { count }), { ms: DECLINE_MS, action: { label: t("common.undo"), run: takeBack } });
  };
}
