import * as M from "@radix-ui/react-dropdown-menu";
import { Check, ChevronRight } from "lucide-react";
import type { ReactElement, ReactNode } from "react";

export function Menu({ trigger, children, align = "end", defaultOpen = false, onOpenChange }: {
  trigger: ReactElement;
  children: ReactNode;
  align?: "start" | "end";
  defaultOpen?: boolean;
  onOpenChange?: ((open: boolean) => void) | undefined;
}) {
  return (
    <M.Root modal={false} defaultOpen={defaultOpen} {...(onOpenChange ? { onOpenChange } : {})}>
      <M.Trigger asChild>{trigger}</M.Trigger>
      <M.Portal>
        <M.Content className="menu" align={align} sideOffset={4} collisionPadding={8}>
          {children}
        </M.Content>
      </M.Portal>
    </M.Root>
  );
}

export function MenuItem({ icon, danger, hint, children, onSelect, disabled }: {
  icon?: ReactNode;
  danger?: boolean;
  hint?: string;
  children: ReactNode;
  onSelect: () => void;
  disabled?: boolean;
}) {
  return (
    <M.Item className={`menu-item ${danger ? "menu-danger" : ""}`} onSelect={onSelect} disabled={disabled}>
      <span className="menu-icon">{icon}</span>
      <span className="menu-text">{children}</span>
      {hint ? <kbd>{hint}</kbd> : null}
    </M.Item>
  );
}

export function MenuChoice<V extends string>({ value, options, onChange }: {
  value: V;
  options: { value: V; label: ReactNode }[];
  onChange: (value: V) => void;
}) {
  return (
    <M.RadioGroup value={value} onValueChange={(next) => onChange(next as V)}>
      {options.map((option) => (
        <M.RadioItem key={option.value} className="menu-item" value={option.value}>
          <span className="menu-icon">
            <M.ItemIndicator>
              <Check size={16} aria-hidden />
            </M.ItemIndicator>
          </span>
          <span className="menu-text">{option.label}</span>
        </M.RadioItem>
      ))}
    </M.RadioGroup>
  );
}

export function SubMenu({ icon, label, children }: { icon?: ReactNode; label: ReactNode; children: ReactNode }) {
  return (
    <M.Sub>
      <M.SubTrigger className="menu-item">
        <span className="menu-icon">{icon}</span>
        <span className="menu-text">{label}</span>
        <ChevronRight size={16} aria-hidden />
      </M.SubTrigger>
      <M.Portal>
        <M.SubContent className="menu" collisionPadding={8}>
          {children}
        </M.SubContent>
      </M.Portal>
    </M.Sub>
  );
}

export const MenuLabel = ({ children }: { children: ReactNode }) => <M.Label className="menu-label">{children}</M.Label>;
export const MenuLine = () => <M.Separator className="menu-line" />;
