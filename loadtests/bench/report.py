"""The benchmark in words: Markdown of what one run found.

Owns the layout of the tables and the marked place for them in docs/BENCHMARKS.md. Called by `bench.main`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from loadtests.bench.fan_out import CALM, taken_apart
from loadtests.bench.figures import Findings

BEGIN, END = "<!-- made by `make bench` -->", "<!-- end -->"


def render(findings: Findings) -> str:
    """Markdown, aims first."""
    rows: list[tuple[str, ...]]
    head: tuple[str, ...]
    lines = [", ".join(f"{key}: {value}" for key, value in findings.machine.items()) + ".", ""]
    if findings.aims:
        lines += ["## Aims", ""]
        rows = [(a.name, a.aim, a.found, "reached" if a.met else "**missed**") for a in findings.aims]
        lines += [*_table(("ratio", "aim", "found", ""), rows), ""]
    lines += _fan_out(findings)
    lines += _taken_apart(findings)
    if findings.operations:
        head = ("durable operations", "a second", "us CPU", "us database", "p50 ms", "p99 ms")
        rows = [
            (
                o.what, f"{o.per_second:,.0f}", f"{o.cpu:.1f}", f"{o.database:.1f}",
                *((f"{o.p50:.1f}", f"{o.p99:.1f}") if o.p99 else ("", "")),
            )
            for o in findings.operations
        ]  # fmt: skip
        lines += ["## Durable operations", "", *_table(head, rows), ""]
    if findings.flat:
        head = ("stops", "log rows", "us CPU an operation", "us database", "operations")
        rows = [
            (f"{f.stops:,}", f"{f.log_rows:,}", f"{f.cpu:.1f}", f"{f.database:.1f}", f"{f.operations:,}")
            for f in findings.flat
        ]
        lines += ["## A small and a large trip", "", *_table(head, rows), ""]
    if findings.memory:
        rows = [(m.who, f"{m.kib:.1f}") for m in findings.memory]
        lines += ["## Memory", "", *_table(("who", "KiB an idle member"), rows), ""]
    if findings.profiles:
        lines += ["## Where the time of the server goes", ""]
        for profile in findings.profiles:
            said = ", ".join(f"{spent.share:.0%} {spent.function}" for spent in profile.spent)
            lines += [f"- **{profile.title}**: {said}"]
        lines += [""]
    elif not all(aim.met for aim in findings.aims):
        lines += ["`make bench PROFILE=1` tells where the time goes.", ""]
    if findings.missing:
        lines += ["## Not measured", "", *(f"- {what}: {why}" for what, why in findings.missing.items()), ""]
    return "\n".join(lines)


def _fan_out(findings: Findings) -> list[str]:
    lines: list[str] = []
    for shape, mode in dict.fromkeys((f.shape, f.mode) for f in findings.fan_out):
        head = (
            "who", "processes", "deliveries a CPU-second", "us CPU a delivery", "us Redis", "us database",
            "p50 ms", "p99 ms", "deliveries a second", "bytes each", "rounds", "spread",
        )  # fmt: skip
        rows = [
            (
                f.who, str(f.processes), f"{f.per_cpu_second:,.0f}", f"{f.cpu:.2f}",
                f"{f.redis:.2f}" if f.redis else "", f"{f.database:.2f}" if f.database else "",
                f"{f.p50:.1f}", f"{f.p99:.1f}", f"{f.per_second:,.0f}", f"{f.bytes_each:.0f}",
                str(f.rounds), f"{f.spread:.0%}",
            )
            for f in findings.fan_out
            if (f.shape, f.mode) == (shape, mode)
        ]  # fmt: skip
        lines += [f"## Fan-out: {shape}, {mode}", "", *_table(head, rows), ""]
    return lines


def _taken_apart(findings: Findings) -> list[str]:
    rows = [(each.who, f"{each.message:,.0f}", f"{each.member:.1f}") for each in taken_apart(findings)]
    if not rows:
        return []
    head = ("who", "us CPU a message", "us CPU each member adds")
    return [f"## Fan-out taken apart ({CALM})", "", *_table(head, rows), ""]


def put_into(path: Path, text: str) -> None:
    """Replace what stands between the marks."""
    page = path.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", "utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows),
    ]
