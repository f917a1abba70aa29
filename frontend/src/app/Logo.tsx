/** Two routes that meet at one place. */
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden>
      <rect width="32" height="32" rx="8" fill="var(--accent)" />
      <path d="M7 25c0-6 4-7 9-9s9-3 9-9" stroke="var(--accent-ink)" strokeWidth="2.4" strokeLinecap="round" opacity="0.55" />
      <path d="M7 7c0 6 4 7 9 9s9 3 9 9" stroke="var(--accent-ink)" strokeWidth="2.4" strokeLinecap="round" />
      <circle cx="16" cy="16" r="4.2" fill="var(--accent)" stroke="var(--accent-ink)" strokeWidth="2.4" />
    </svg>
  );
}
