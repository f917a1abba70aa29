/** After accepting: how many changes it made, and the way back. */
import { useEffect, useRef } from "react";
import { sentences } from "../../i18n/format";
import { useRoomClient, useRoomState } from "../../store";
import { toast } from "../../ui/toast";
import { useText } from "../room/useText";

export function useOutcomeToast(): void {
  const outcome = useRoomState((s) => s.outcome);
  const { review } = useRoomClient();
  const { t } = useText();
  const told = useRef(outcome);
  useEffect(() => {
    if (outcome === null || outcome === told.current) return;
    told.current = outcome;
    const { seqs, stale } = outcome;
    if (seqs.length === 0) {
      toast(t("proposal.toastNone"));
      return;
    }
    const words = sentences(t, t("proposal.toastAccepted", { count: seqs.length }), ...(stale > 0 ? [t("proposal.toastStale", { count: stale })] : []));
    toast(words, { action: { label: t("common.undo"), run: () => { review.revert(outcome); } } });
  }, [outcome, review, t]);
}
