import { useAnswerText, type TalkMessage } from "../../store";

/** An answer of the assistant, as far as it has come. */
export function AnswerView({ message }: { message: TalkMessage }) {
  const answer = useAnswerText(message.id);
  return <p className="msg-text">{answer?.text ?? message.text}</p>;
}
