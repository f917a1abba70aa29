import { X } from "lucide-react";
import { useTranslation } from "react-i18next";
import { dismissToast, useToasts } from "./toast";

export function ToastHost() {
  const toasts = useToasts();
  const { t } = useTranslation();
  return (
    <div className="toasts" role="region" aria-label={t("common.notices")}>
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
                  dismissToast(toast.id);
                }}
              >
                {toast.action.label}
              </button>
            ) : null}
            <button type="button" className="toast-close" aria-label={t("common.close")} onClick={() => dismissToast(toast.id)}>
              <X size={16} aria-hidden />
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}
