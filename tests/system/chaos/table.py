"""The table of ``docs/reliability.md``, between its two markers."""

from pathlib import Path
from typing import Any, Final

DATABASES: Final = ("postgresql", "sqlite")
PARTS: Final = ("kills", "matrix", "freezes", "outages", "races", "celery")
PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN: Final = "<!-- figures: begin -->"
END: Final = "<!-- figures: end -->"
HEAD: Final = (
    "| database | run | faults | jobs | lost | doubled | ghost | stuck | lies | taken "
    "| recovery p50 / p99 / max, s | seed | what N proves |",
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
)


def write_table(results: list[dict[str, Any]]) -> None:
    """Replace what stands between the markers."""
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}")


def table(results: list[dict[str, Any]]) -> str:
    """Return the lines of the table."""
    return "\n".join([*HEAD, *map(row, results)])


def row(result: dict[str, Any]) -> str:
    """Return one line; an empty cell is what the run does not measure."""
    counts = result.get("counts", {})
    kinds = [str(counts.get(kind, "")) for kind in ("lost", "doubled", "ghost", "stuck", "lies", "taken")]
    cells = [result["database"], result["part"], faults_of(result), str(result.get("jobs") or result.get("races", ""))]
    return "| " + " | ".join([*cells, *kinds, recovery_of(result), str(result["seed"]), proof_of(result)]) + " |"


def faults_of(result: dict[str, Any]) -> str:
    """Return how many of each kind were injected."""
    if "races" in result:
        return f"{result['races']:,} races"
    faults = result.get("faults", {})
    injected = [f"{count:,} {how}" for how, count in sorted(faults.items())]
    return ", ".join(
        [*injected, *(f"{kind} left out: {reason}" for kind, reason in result.get("left_out", {}).items())]
    )


def recovery_of(result: dict[str, Any]) -> str:
    """Return the times from a worker's end to its jobs' next claim; from an outage's end to anybody's first claim."""
    if not result.get("recoveries"):
        return ""
    return " / ".join(f"{seconds:.1f}" for seconds in result["recovery"]) + f" (of {result['recoveries']})"


def proof_of(result: dict[str, Any]) -> str:
    """Return the bound on the rate of failures at 95 %: 3/N, for none in N."""
    counts = {kind: count for kind, count in result.get("counts", {}).items() if kind != "taken"}
    number = result.get("races") or sum(result.get("faults", {}).values())
    if any(counts.values()) or not number:
        return "not clean"
    return f"0 of {number:,}: < {100 * 3 / number:.2f} %"
