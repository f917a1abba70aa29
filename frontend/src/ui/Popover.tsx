import * as P from "@radix-ui/react-popover";
import type { ReactElement, ReactNode } from "react";

export function Popover({ trigger, children, label, align = "center" }: {
  trigger: ReactElement;
  children: ReactNode;
  label: string;
  align?: "start" | "center" | "end";
}) {
  return (
    <P.Root>
      <P.Trigger asChild>{trigger}</P.Trigger>
      <P.Portal>
        <P.Content className="popover" sideOffset={6} collisionPadding={8} align={align} aria-label={label}>
          {children}
        </P.Content>
      </P.Portal>
    </P.Root>
  );
}
