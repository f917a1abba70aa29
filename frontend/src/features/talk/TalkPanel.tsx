/** What members say: the chat of the room, and the comments on its days and stops. */
export default function TalkPanel() {
  return null;
}
