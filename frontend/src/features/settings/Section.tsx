import type { ReactNode } from "react";

/** One card of the settings. */
export function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card panel">
      <h2 style={{ fontSize: "var(--text-lg)" }}>{title}</h2>
      {children}
    </section>
  );
}
