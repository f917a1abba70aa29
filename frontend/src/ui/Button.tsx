import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Tooltip } from "./Tooltip";

export type ButtonVariant = "primary" | "secondary" | "ghost" | "danger";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: ButtonVariant;
  size?: "sm" | "md" | "lg";
  icon?: ReactNode;
  busy?: boolean;
  block?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({
  variant = "secondary", size = "md", icon, busy, block, className, children, type = "button", ...rest
}: ButtonProps) {
  const classes = ["btn", `btn-${variant}`, `btn-${size}`, block ? "btn-block" : "", className ?? ""];
  return (
    <button
      type={type}
      className={classes.join(" ")}
      aria-busy={busy || undefined}
      {...rest}
      disabled={rest.disabled || busy}
    >
      {icon}
      {children}
    </button>
  );
}

export interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** Accessible name, also shown as the tooltip. */
  label: string;
  shortcut?: string;
  pressed?: boolean;
  tip?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function IconButton({
  label, shortcut, pressed, tip = true, className, children, type = "button", ...rest
}: IconButtonProps) {
  const button = (
    <button
      type={type}
      className={`icon-btn ${className ?? ""}`}
      aria-label={label}
      aria-pressed={pressed}
      {...rest}
    >
      {children}
    </button>
  );
  if (!tip) return button;
  return (
    <Tooltip text={label} shortcut={shortcut}>
      {button}
    </Tooltip>
  );
}
