import { X } from "lucide-react";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { dismissToast, useToasts } from "./toast";

export function ToastHost() {
  const toasts = useToasts();
  const { t } = useTranslation();
  /** Where the keyboard was before it came here, and goes back to when a notice goes under it. */
  const cameFrom = useRef<HTMLElement | null>(null);
  const leave = (id: number): void => {
    dismissToast(id);
    if (cameFrom.current?.isConnected) cameFrom.current.focus();
  };
  return (
    <div
      className="toasts"
      role="region"
      aria-label={t("common.notices")}
      onFocus={({ currentTarget, relatedTarget }) => {
        if (!currentTarget.contains(relatedTarget)) cameFrom.current = relatedTarget instanceof HTMLElement ? relatedTarget : null;
      }}
    >
      <div aria-live="polite">
        {toasts.map((toast) => (
          <div key={toast.id} className={`toast toast-${toast.tone}`} data-testid="toast">
            <span>{toast.text}</span>
            {toast.action ? (
              <button
                type="button"
                className="toast-action"
                onClick={() => {
                  toast.action?.run();
                  leave(toast.id);
                }}
              >
                {toast.action.label}
              </button>
            ) : null}
            <button type="button" className="toast-close" aria-label={t("common.close")} onClick={() => leave(toast.id)}>
              <X size={16} aria-hidden />
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}
