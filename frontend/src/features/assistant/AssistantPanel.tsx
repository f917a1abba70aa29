/** Private conversations with the assistant. */
export default function AssistantPanel() {
  return null;
}
