/** On phones suggestions are reviewed in a sheet over the board or the map. */
import { Dialog } from "../../ui/Dialog";
import { useText } from "../room/useText";
import { ProposalList } from "./ProposalCard";
import { reviewUi } from "./ui";

export default function ReviewSheet() {
  const { t } = useText();
  return <Dialog open kind="sheet" className="review-sheet" onClose={reviewUi.closeSheet} title={t("proposal.title")}><ProposalList /></Dialog>;
}
