/** An answer as it is shown, from a room's message or from a turn of a private conversation. */
import type { AnswerStatus, Fault, Source, Turn, Usage } from "../../protocol.gen";
import type { AnswerStream, TalkMessage } from "../../store";

export interface AnswerShown {
  id: string;
  status: AnswerStatus;
  /** Place in the queue, 1 is next; 0 unknown. */
  position: number;
  text: string;
  reasoning: string;
  model: string;
  fault: Fault | null;
  usage: Usage | null;
  sources: readonly Source[];
}

export const isUnderWay = (answer: Pick<AnswerShown, "status">): boolean => answer.status === "queued" || answer.status === "streaming";

export function ofMessage(message: TalkMessage, grown: AnswerStream | null): AnswerShown {
  const { answer } = message;
  return {
    id: message.id, status: grown?.status ?? answer?.status ?? "done", position: grown?.position ?? 0, text: grown?.text ?? message.text,
    reasoning: grown?.reasoning ?? answer?.reasoning ?? "", model: answer?.model ?? "", fault: answer?.fault ?? null, usage: answer?.usage ?? null, sources: answer?.sources ?? [],
  };
}

export function ofTurn(turn: Turn, grown: AnswerStream | null): AnswerShown {
  return {
    id: turn.id, status: grown?.status ?? turn.status ?? "done", position: grown?.position ?? 0, text: grown?.text ?? turn.text ?? "",
    reasoning: grown?.reasoning ?? turn.reasoning ?? "", model: turn.model ?? "", fault: turn.fault ?? null, usage: turn.usage ?? null, sources: turn.sources ?? [],
  };
}
