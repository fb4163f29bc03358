"""Writes the results of runs into the table of ``docs/reliability.md``, between its two markers."""

from typing import Any, Final

from tests.support.source import ROOT
from tests.system.chaos.parts import COUNTS

KINDS: Final = ("lost", "doubled", "ghost", "stuck", "uncounted", "lies", "taken")
PAGE: Final = ROOT / "docs" / "reliability.md"
BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"
HEAD: Final = (
    f"| database | run | faults | jobs | {' | '.join(KINDS)} | recovery p50 / p99 / max, s | seed | what N proves |",
    "|---" * 14 + "|",
)


def write_table(results: list[dict[str, Any]]) -> None:
    """Write the rows of these results; those of other databases and parts stay."""
    before, rest = PAGE.read_text().split(BEGIN)
    table, after = rest.split(END)
    rows = {tuple(line.split(" | ")[:2]): line for line in table.strip().splitlines()[2:]}
    rows |= {(f"| {result['database']}", result["part"]): row(result) for result in results}
    order = [(f"| {database}", part) for database, parts in COUNTS.items() for part in parts]
    lines = "\n".join([*HEAD, *(rows[key] for key in order if key in rows)])
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}")


def row(result: dict[str, Any]) -> str:
    """Return one line; an empty cell is what the run does not measure."""
    counts = result.get("counts", {})
    cells = [
        result["database"],
        result["part"],
        faults_of(result),
        str(result.get("jobs") or result.get("races", "")),
        *(str(counts.get(kind, "")) for kind in KINDS),
        recovery_of(result),
        str(result["seed"]),
        proof_of(result),
    ]
    return f"| {' | '.join(cells)} |"


def faults_of(result: dict[str, Any]) -> str:
    if "races" in result:
        return f"{result['races']:,} races"
    injected = [f"{count:,} {kind}" for kind, count in sorted(result.get("faults", {}).items())]
    left_out = [f"{kind} left out: {reason}" for kind, reason in result.get("left_out", {}).items()]
    lost = [
        f"{result[name]} acknowledged {name[5:]} lost" for name in ("lost_creates", "lost_cancels") if name in result
    ]
    return ", ".join([*injected, *left_out, *lost])


def recovery_of(result: dict[str, Any]) -> str:
    """Return the times from a worker's end to its jobs' next claim; from an outage's end to anybody's first claim."""
    if not result.get("recoveries"):
        return ""
    return " / ".join(f"{seconds:.1f}" for seconds in result["recovery"]) + f" (of {result['recoveries']})"


def proof_of(result: dict[str, Any]) -> str:
    """Return the bound on the rate of failures at 95 %: 3/N, for none in N."""
    number = result.get("races") or sum(result.get("faults", {}).values())
    if any(count for kind, count in result.get("counts", {}).items() if kind != "taken") or not number:
        return "not clean"
    return f"0 of {number:,}: < {100 * 3 / number:.2f} %"
