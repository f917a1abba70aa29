import * as D from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  description?: ReactNode;
  /** `sheet` comes from the bottom (phones), `center` floats, `side` covers the right edge. */
  kind?: "center" | "sheet" | "side";
  hideTitle?: boolean;
  children: ReactNode;
  footer?: ReactNode;
  className?: string;
}

/** Also one that has just been dismissed: on touch this is asked after the click. */
const isNotice = (target: EventTarget | null): boolean => target instanceof Element && target.closest(".toast") !== null;

export function Dialog(props: DialogProps) {
  const { open, onClose, title, description, kind = "center", hideTitle, children, footer, className } = props;
  const { t } = useTranslation();
  return (
    <D.Root open={open} onOpenChange={(next) => { if (!next) onClose(); }}>
      <D.Portal>
        <D.Overlay className="dialog-overlay" />
        <D.Content
          className={`dialog dialog-${kind} ${className ?? ""}`}
          onEscapeKeyDown={(event) => {
            // The first Escape reverts the field that is being typed in; the next one closes.
            if (document.activeElement instanceof HTMLElement && document.activeElement.dataset["dirty"]) event.preventDefault();
          }}
          onInteractOutside={(event) => {
            // Undo in a notice belongs to what is done in this dialog, which stays open.
            if (isNotice(event.detail.originalEvent.target)) event.preventDefault();
          }}
          {...(description ? {} : { "aria-describedby": undefined })}
        >
          <header className={hideTitle ? "dialog-head dialog-head-bare" : "dialog-head"}>
            <D.Title className={hideTitle ? "vh" : "dialog-title"}>{title}</D.Title>
            <D.Close className="icon-btn" aria-label={t("common.close")}>
              <X size={18} aria-hidden />
            </D.Close>
          </header>
          <div className="dialog-body">
            {description ? <D.Description className="dialog-description">{description}</D.Description> : null}
            {children}
          </div>
          {footer ? <footer className="dialog-foot">{footer}</footer> : null}
        </D.Content>
      </D.Portal>
    </D.Root>
  );
}
