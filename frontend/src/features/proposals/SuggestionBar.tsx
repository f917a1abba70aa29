/** Above the days: how many suggestions wait, the way to them, and whether the board shows them. */
import { Eye, EyeOff, Sparkles, SquarePen } from "lucide-react";
import { useEffect, useRef } from "react";
import { ASSISTANT } from "../../protocol.gen";
import { useIsMember, useProposals } from "../../store";
import { announce } from "../../ui/announce";
import { Button, IconButton } from "../../ui/Button";
import { useText } from "../room/useText";
import { reviewUi, useReviewUi } from "./ui";
import "./proposals.css";

export function SuggestionBar() {
  const { t } = useText();
  const member = useIsMember();
  const { open, status } = useProposals();
  const shown = useReviewUi((s) => s.shown);
  const count = open.length;
  const ready = status === "ready";
  const known = useRef<number | null>(null);
  useEffect(() => {
    if (known.current !== null && count > known.current) announce(t("proposal.waiting", { count }));
    if (ready) known.current = count;
  }, [count, ready, t]);
  if (!member || count === 0) return null;
  const Icon = open.every((proposal) => proposal.author === ASSISTANT) ? Sparkles : SquarePen;
  return (
    <div className="sug-bar" data-testid="suggestion-bar">
      <Icon size={16} aria-hidden />
      <b className="num">{t("proposal.waiting", { count })}</b>
      <IconButton label={t(shown ? "proposal.hide" : "proposal.show")} onClick={() => reviewUi.show(!shown)}>{shown ? <Eye size={17} aria-hidden /> : <EyeOff size={17} aria-hidden />}</IconButton>
      <Button size="sm" onClick={() => reviewUi.review()}>{t("proposal.review")}</Button>
    </div>
  );
}
