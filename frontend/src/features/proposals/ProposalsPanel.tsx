/** The suggestions that wait, beside the board. */
import { ProposalList } from "./ProposalCard";

export default function ProposalsPanel() {
  return <ProposalList />;
}
