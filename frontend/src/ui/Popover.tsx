import * as P from "@radix-ui/react-popover";
import type { ReactElement, ReactNode } from "react";

/** Opens by itself, unless `open` and `onOpenChange` say otherwise. */
export function Popover({ trigger, children, label, align = "center", open, onOpenChange, className }: {
  trigger: ReactElement;
  children: ReactNode;
  label: string;
  align?: "start" | "center" | "end";
  open?: boolean;
  onOpenChange?: (open: boolean) => void;
  className?: string;
}) {
  return (
    <P.Root {...(open === undefined ? {} : { open })} {...(onOpenChange ? { onOpenChange } : {})}>
      <P.Trigger asChild>{trigger}</P.Trigger>
      <P.Portal>
        <P.Content className={`popover ${className ?? ""}`} sideOffset={6} collisionPadding={8} align={align} aria-label={label}>
          {children}
        </P.Content>
      </P.Portal>
    </P.Root>
  );
}
