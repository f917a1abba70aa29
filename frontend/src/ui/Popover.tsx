import * as P from "@radix-ui/react-popover";
import type { ReactElement, ReactNode } from "react";

/** Opens by itself, unless `open` and `onOpenChange` say otherwise. */
export function Popover({ trigger, children, label, align = "center", side, open, onOpenChange, className }: {
  trigger: ReactElement;
  children: ReactNode;
  label: string;
  align?: "start" | "center" | "end";
  side?: "top" | "bottom";
  open?: boolean;
  onOpenChange?: (open: boolean) => void;
  className?: string;
}) {
  return (
    <P.Root {...(open === undefined ? {} : { open })} {...(onOpenChange ? { onOpenChange } : {})}>
      <P.Trigger asChild>{trigger}</P.Trigger>
      <P.Portal>
        <P.Content className={`popover ${className ?? ""}`} sideOffset={6} collisionPadding={8} align={align} {...(side ? { side } : {})} aria-label={label}>
          {children}
        </P.Content>
      </P.Portal>
    </P.Root>
  );
}
