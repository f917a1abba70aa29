const HAN = /\p{Script=Han}/u;

/** One or two letters; for Chinese names the last character, as people call each other. */
export function initials(name: string): string {
  const trimmed = name.trim();
  if (!trimmed) return "?";
  if (HAN.test(trimmed)) return [...trimmed].at(-1) ?? "?";
  const words = trimmed.split(/\s+/);
  const first = [...(words[0] ?? "")][0] ?? "?";
  const last = words.length > 1 ? ([...(words.at(-1) ?? "")][0] ?? "") : "";
  return (first + last).toUpperCase();
}

export function Avatar({ name, color, size = 28, away }: { name: string; color: number; size?: number; away?: boolean }) {
  return (
    <span
      className={`avatar ${away ? "avatar-away" : ""}`}
      data-who={color % 8}
      style={{ width: size, height: size, fontSize: Math.round(size * 0.42) }}
      aria-hidden
    >
      {initials(name)}
    </span>
  );
}
