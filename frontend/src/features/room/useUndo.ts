import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { useRoomClient } from "../../store";
import { announce } from "../../ui/announce";

export function useUndo(): { undo: () => void; redo: () => void } {
  const client = useRoomClient();
  const { t } = useTranslation();
  const undo = useCallback(() => {
    announce(client.undo() ? t("common.undo") : t("live.undoNothing"));
  }, [client, t]);
  const redo = useCallback(() => {
    announce(client.redo() ? t("common.redo") : t("live.redoNothing"));
  }, [client, t]);
  return { undo, redo };
}
