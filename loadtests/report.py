"""A load run in words: figures, targets, and where the time went.

Owns the layout of `report.md`, which is also what the screen shows at the end. Pure. Called by
`loadtests.run`.
"""

from __future__ import annotations

from collections.abc import Sequence

import psutil

from loadtests.servers import Meter
from loadtests.targets import Check, Profile, Result

BUSY = 0.15
"""Share of the machine that others may use before the report says so."""


def render(name: str, profile: Profile, result: Result, checks: Sequence[Check], meter: Meter) -> str:
    """Markdown."""
    began, ended = result.measured
    crowd = ", ".join(f"{count} {kind}" for kind, count in profile.users.items() if count)
    lines = [
        f"# Load run `{name}`",
        "",
        profile.about,
        "",
        f"{profile.crowd} users ({crowd}) in {profile.rooms} rooms on {profile.processes} process(es);"
        f" {ended - began:.0f} s measured.",
        "",
        *_table(
            ("what", "count", "failed", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms"),
            [
                (
                    f"{row.kind} {row.name}", str(row.count), str(row.failures), f"{row.per_second:.1f}",
                    f"{row.p50:.0f}", f"{row.p95:.0f}", f"{row.p99:.0f}", f"{row.max:.0f}",
                )
                for row in result.rows
            ],
        ),
        "",
        *_table(
            ("target", "limit", "found", ""),
            [(each.name, each.target, each.found, "ok" if each.met else "MISSED") for each in checks],
        ),
        "",
        *_table(("figure", "value"), [(key, f"{value:,.1f}") for key, value in result.figures.items()]),
        "",
        *_costs(result, meter),
    ]  # fmt: skip
    if result.faults or result.examples or result.exceptions:
        lines += ["", "## What went wrong", ""]
        lines += [f"- {count} x {kind}" for kind, count in result.faults.items()]
        lines += [f"  - {example}" for example in result.examples]
        lines += [f"- exception in a user: {text}" for text in result.exceptions]
    return "\n".join(lines) + "\n"


def _costs(result: Result, meter: Meter) -> list[str]:
    """Cores that each part kept busy, while measured and in each storm."""
    spans = [("measured", *result.measured)]
    spans += [(f"storm {n + 1}", began, ended) for n, (began, ended) in enumerate(result.storms)]
    found = [(label, meter.cores(began, ended)) for label, began, ended in spans]
    names = sorted({name for _, cores in found for name in cores})
    rows = [(label, *(f"{cores.get(name, 0):.2f}" for name in names)) for label, cores in found]
    rows.append(
        (
            "peak MiB",
            *(f"{meter.peak_rss.get(name, 0) / 2**20:.0f}" if name != "machine" else "" for name in names),
        )
    )
    table = _table(("cores busy", *names), rows)
    others = max((cores.get("others", 0.0) for _, cores in found), default=0.0)
    if others > BUSY * (psutil.cpu_count() or 1):
        table += [
            "",
            f"**Other programs kept {others:.1f} cores busy: what took long, may have waited for them.**",
        ]
    return table


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows),
    ]
