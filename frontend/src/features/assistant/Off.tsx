/** No key is set: how to change that, instead of pretending. */
import { Sparkles } from "lucide-react";
import { Empty } from "../../ui/States";
import { useText } from "../room/useText";

export function AssistantOff({ level = 2 }: { level?: 1 | 2 }) {
  const { t } = useText();
  return (
    <div className="ai-off" data-testid="assistant-off">
      <Empty level={level} icon={<Sparkles size={26} />} title={t("ai.offTitle")}>{t("ai.offText")}</Empty>
      <p className="muted">{t("ai.offMember")}</p>
    </div>
  );
}
