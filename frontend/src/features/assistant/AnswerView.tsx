/** An answer of the assistant in a room, as it grows in front of everybody, with what can be done. */
import { api } from "../../api";
import { errorText } from "../../app/session";
import { sentences } from "../../i18n/format";
import { newId, useAnswerText, useConnection, useIsEditor, useIsMember, useMe, useRoom, type TalkMessage } from "../../store";
import { toast } from "../../ui/toast";
import { ProposalById } from "../proposals/ProposalCard";
import { useText } from "../room/useText";
import { AnswerBody } from "./AnswerBody";
import { isUnderWay, ofMessage } from "./shown";

export function AnswerView({ message }: { message: TalkMessage }) {
  const { t, language } = useText();
  const { tripId } = useRoom();
  const answer = ofMessage(message, useAnswerText(message.id));
  const me = useMe();
  const editor = useIsEditor();
  const member = useIsMember();
  const live = useConnection().state === "live";
  const mayStop = editor || (me.user !== null && message.answer?.asked_by === me.user);
  const proposal = message.answer?.proposal ?? null;

  async function stop(): Promise<boolean> {
    try {
      await api.stopAnswer(tripId, message.id);
      return true;
    } catch (problem) {
      toast(sentences(t, t("ai.stopFailed"), errorText(problem, t)), { tone: "bad" });
      return false;
    }
  }
  async function retry(): Promise<void> {
    try {
      await api.ask(tripId, { text: "", locale: language, retry_of: message.id }, newId());
    } catch (problem) {
      toast(sentences(t, t("ai.failed"), errorText(problem, t)), { tone: "bad" });
    }
  }

  return (
    <AnswerBody
      answer={answer} paused={isUnderWay(answer) && !live}
      onStop={live && mayStop ? stop : undefined} onRetry={live && member ? retry : undefined}
    >
      {proposal === null ? null : <ProposalById id={proposal} inAnswer />}
    </AnswerBody>
  );
}
