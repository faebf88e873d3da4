"""The evidence of a matrix as Markdown, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import whole, write_atomic
from stilts_xtreme.core.text import csv_table, markdown_table
from stilts_xtreme.core.text import markdown as escaped
from stilts_xtreme.report.evidence import EVERY, REGION, Evidence, Findings, rows
from stilts_xtreme.report.intervals import probability
from stilts_xtreme.report.statistics.mixed import TARGETS, Overall, blocks, overall
from stilts_xtreme.report.statistics.power import ALPHA

ABOUT = f"""Gain over no intermediate task, in points, on the mean over the languages that are not trained on. In square
brackets: the interval of 95 %, over test items and seeds together (paired; one item is drawn in all languages at once).
Then in how many of the languages it helps at the least (Dror et al. 2017, p <= {ALPHA:g}, any dependence). In round
brackets: the smallest gain that four of five such experiments would show. **Bold**: p <= {ALPHA:g} after Holm's
correction over all entries."""


def entry(found: Findings, place: tuple[str, str], bold: bool = True) -> str:
    """One entry in a table, such as ``**+2.9** [+0.7, +5.1] 2/11 (3.2)``; empty where there is no gain."""
    evidence = found.entries.get(place)
    if evidence is None:
        return ""
    return entry_of(evidence, bold and found.holm.get(place, 1.0) <= ALPHA)


def entry_of(evidence: Evidence, bold: bool = False) -> str:
    """What an entry shows, in a table."""
    gain = f"{evidence.mean.value:+.1f}"
    if not evidence.known:
        return gain
    low, high = evidence.mean.interval()
    mark = "**" if bold else ""
    helped = f" {evidence.helped}/{len(evidence.languages)}" if len(evidence.languages) > 1 else ""
    return f"{mark}{gain}{mark} [{low:+.1f}, {high:+.1f}]{helped} ({evidence.smallest:.1f})"


def markdown(found: Findings, means: Mapping[str, Overall]) -> str:
    """What each entry shows, and what each row shows over all targets.

    Args:
        found: The evidence.
        means: Row -> its gain over all targets.
    """
    parts = [
        f"Verdicts: **helps** and **harms** after Holm's correction over the matrix; **shown to be nothing**: an "
        f"effect of {REGION:g} point or more is refuted (two one-sided tests, p <= {ALPHA:g}); **not shown**: neither.",
        "\n".join(markdown_table(TITLES, [_line(found, place) for place in found.entries])),
        *([_over(found)] if found.over else []),
        *map(escaped, found.notes),
    ]
    if means:
        parts += ["All in all, by a mixed model over targets, languages, items and seeds:", _all_in_all(means)]
    return "\n\n".join(parts) + "\n"


TITLES = (
    *("after", "target", "verdict", "gain", "languages named", "mean of all, with the source", "seeds"),
    *("p", "Holm", "BH"),
)


def _line(found: Findings, place: tuple[str, str]) -> list[str]:
    evidence = found.entries[place]
    named = ", ".join(evidence.named) if evidence.known else ""
    ps = (evidence.mean.p, found.holm.get(place), found.bh.get(place)) if evidence.known else (None,) * 3
    return [
        *place,
        found.verdict(place),
        entry(found, place, bold=False),
        named or "-",
        f"{evidence.gains[EVERY].value:+.1f} ({len(evidence.gains) - 2} languages)",
        ", ".join(map(str, evidence.mean.seeds)),
        *("" if p is None else probability(p) for p in ps),
    ]


def _over(found: Findings) -> str:
    """What the rows gain over their controls, beside what they gain over none."""
    lines = []
    for place, evidence in found.over.items():
        p = found.holm_over.get(place)
        above = entry_of(found.entries[place[:2]]) if place[:2] in found.entries else ""
        seeds = ", ".join(map(str, evidence.mean.seeds))
        lines.append(
            [*place, found.verdict_over(place), entry_of(evidence), above, seeds, "" if p is None else probability(p)]
        )
    titles = ("after", "target", "control", "verdict", "gain over the control", "gain over none", "seeds", "Holm")
    about = (
        "Gain over a control of the same task, in the same form. What a control gives too is none of the task. Holm: "
        "corrected over all entries with this control."
    )
    return about + "\n\n" + "\n".join(markdown_table(titles, lines))


def _all_in_all(means: Mapping[str, Overall]) -> str:
    lines = []
    for row, mean in means.items():
        low, high = mean.interval()
        deviations = ", ".join(f"{name} {value:.1f}" for name, value in mean.deviations.items())
        gain = f"{mean.value:+.1f} [{low:+.1f}, {high:+.1f}]"
        lines.append([row, gain, str(mean.targets), probability(mean.p), deviations, " ".join(mean.checks)])
    titles = ("after", "gain", "targets", "p", "standard deviations, in points", "checks")
    return "\n".join(markdown_table(titles, lines))


def over_targets(found: Findings) -> dict[str, Overall]:
    """Row -> its gain over all targets, of the rows with answers on at least three targets."""
    return pooled(evidence for evidence in found.entries.values() if not evidence.control)


def pooled(entries: Iterable[Evidence]) -> dict[str, Overall]:
    """Row -> its gain over all targets, of the rows with answers on at least three targets.

    Args:
        entries: The evidence of rows, all of it over the same kind of baseline.
    """
    by_row: dict[str, list[Evidence]] = {}
    for evidence in entries:
        if evidence.arms is not None:
            by_row.setdefault(evidence.row, []).append(evidence)
    means = {}
    for row, own in by_row.items():
        if len(own) >= TARGETS:
            import pandas as pd

            tables = [blocks(*e.arms, e.column, e.parallel) for e in own if e.arms is not None]
            means[row] = overall(pd.concat(tables, ignore_index=True))
    return means


def write(found: Findings, folder: Path) -> None:
    """Writes ``evidence.csv`` and ``evidence.parquet``: a line for each entry and language."""
    write_table(rows(found), folder / "evidence")


def write_table(table: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Writes rows as CSV and as Parquet.

    Args:
        table: The rows, with the same columns.
        path: Without its ending.

    Raises:
        StiltsError: There are no rows.
    """
    import pandas as pd

    if not table:
        raise StiltsError(f"There is nothing to write to {path}.")
    frame = pd.DataFrame(list(table))
    write_atomic(path.with_suffix(".csv"), csv_table(list(table[0]), table))
    with whole(path.with_suffix(".parquet")) as scratch:
        frame.to_parquet(scratch, index=False)
