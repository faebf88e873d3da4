"""Which intermediate task helps zero-shot transfer, over all targets and on each, and more than its control does?

The figures are those of the matrix (:mod:`stilts_xtreme.report.evidence`). They answer the question of Phang et al.
2020 (arXiv 2005.13013) in fixed words: over the baseline, and over each control that was run, such as ``placebo``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.evidence import REGION, ZERO_SHOT, Evidence, Findings, findings
from stilts_xtreme.report.intervals import probability
from stilts_xtreme.report.labels import BASELINE
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.languages import adjusted
from stilts_xtreme.report.statistics.power import ALPHA
from stilts_xtreme.report.studies.conclusion import UNDECIDED, Conclusion, Planned, Table, Verdict, shown, tidy

if TYPE_CHECKING:
    from stilts_xtreme.report.statistics.mixed import Overall

QUESTION = (
    "Which English intermediate task helps zero-shot transfer to other languages, and does it give more than a "
    "training without what the task teaches?"
)
HELPS, HARMS, NOTHING = "helps", "harms", "shown to be nothing"
SOME, NONE_SHOWN = "helped", "no task is shown to help"
ALL = "all"
"""What rows of figures call the mean over targets."""


def lacking(planned: Sequence[Planned]) -> str | None:
    """None: every cell with an intermediate task has its baseline beside it, and baselines alone are a table, too."""
    return None


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """The verdicts per intermediate task over all targets, over each control, and per target.

    Args:
        cells: Cells with and without intermediate tasks; controls may be among them.

    Raises:
        StiltsError: No cell has a baseline.
    """
    zero_shot = [cell for cell in cells if not cell.result.get("shots")]
    found = findings(zero_shot)
    gains = {place: evidence for place, evidence in found.entries.items() if not evidence.control}
    if not gains:
        raise StiltsError(
            "study=phang2020 needs cells with an intermediate task and their baseline: add none and another task to "
            "+intermediate=."
        )
    from stilts_xtreme.report.evidence_page import pooled  # with pandas, which a plan does without

    means = {BASELINE: pooled(gains.values())}
    for control in dict.fromkeys(place[2] for place in found.over):
        means[control] = pooled(evidence for place, evidence in found.over.items() if place[2] == control)
    verdicts = [verdict for over, by_row in means.items() for verdict in _over_targets(over, by_row, found)]
    verdicts += _by_target(found, gains)
    tables = [_table(means, gains)] if means[BASELINE] else []
    notes = _notes(found, means, gains)
    if len(zero_shot) < len(cells):
        notes.append("Cells with shots are left out: the question is about zero-shot transfer.")
    synthetic = any(cell.result["synthetic"] for cell in zero_shot)
    return Conclusion(QUESTION, verdicts, tables, notes, list(_rows(found, means)), synthetic)


def _over_targets(over: str, means: Mapping[str, Overall], found: Findings) -> Iterator[Verdict]:
    """What each row shows over all targets, corrected by Holm for the number of rows."""
    holm = adjusted({row: mean.p for row, mean in means.items()}, "holm")
    for row, mean in means.items():
        low, high = mean.interval()
        beyond = "no task" if over == BASELINE else f"its {over}"
        seeds = min(
            len(evidence.mean.seeds)
            for evidence in (found.entries if over == BASELINE else found.over).values()
            if evidence.row == row and evidence.over == over
        )
        why = (
            f"{mean.value:+.1f} [{low:+.1f}, {high:+.1f}] points over {beyond} on {mean.targets} targets, p "
            f"{probability(holm[row])} after Holm's correction"
        )
        if not mean.sound:
            said, why = UNDECIDED, f"{why}; the mixed model is not sound: {' '.join(mean.checks)}"
        elif seeds < 2:
            said, why = UNDECIDED, f"{why}; one seed says nothing of the noise of seeds; give at least three"
        elif holm[row] <= ALPHA:
            said = HELPS if mean.value > 0 else HARMS
        elif mean.p_beyond(REGION) <= ALPHA:
            said, why = NOTHING, f"{why}; an effect of {REGION:g} point or more is refuted"
        else:
            said = UNDECIDED
        yield Verdict(f"{row}, over {beyond}", said, why)


def _by_target(found: Findings, gains: Mapping[tuple[str, str], Evidence]) -> list[Verdict]:
    """Which tasks are shown to help each target, after Holm's correction over the matrix."""
    verdicts = []
    for target in dict.fromkeys(column for _, column in gains):
        own = {row: evidence for (row, column), evidence in gains.items() if column == target}
        by_verdict: dict[str, list[str]] = {}
        for row in sorted(own, key=lambda row: -own[row].mean.value):
            by_verdict.setdefault(found.verdict((row, target)), []).append(f"{row} {own[row].mean.value:+.1f}")
        why = "; ".join(f"{verdict}: {', '.join(rows)}" for verdict, rows in by_verdict.items())
        helping = len(by_verdict.get(HELPS, ()))
        said = f"{SOME} by {helping} of {len(own)}" if helping else NONE_SHOWN
        verdicts.append(Verdict(target, said, why))
    return verdicts


def _table(means: Mapping[str, Mapping[str, Overall]], gains: Mapping[tuple[str, str], Evidence]) -> Table:
    controls = [over for over in means if over != BASELINE]
    lines = []
    for row in sorted(means[BASELINE], key=lambda row: -means[BASELINE][row].value):
        own = {column: evidence for (name, column), evidence in gains.items() if name == row}
        ranked = sorted(own, key=lambda column: own[column].mean.value)
        ends = [f"{column} {shown(own[column].mean)}" for column in (ranked[-1], ranked[0])]
        lines.append([row, *(_mean(means[over].get(row)) for over in (BASELINE, *controls)), *ends])
    caption = (
        "Gain on the mean over the languages that are not trained on, over all targets, in points with intervals of "
        "95 %, by a mixed model over targets, languages, items and seeds. Beside it the target with the largest and "
        "with the smallest gain over no task."
    )
    titles = ("after", "over no task", *(f"over its {over}" for over in controls), "largest gain", "smallest gain")
    return Table(caption, titles, lines)


def _mean(mean: Overall | None) -> str:
    if mean is None:
        return ""
    low, high = mean.interval()
    return f"{mean.value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _notes(
    found: Findings, means: Mapping[str, Mapping[str, Overall]], gains: Mapping[tuple[str, str], Evidence]
) -> list[str]:
    notes = list(found.notes)
    alone = sorted({row for row, _ in gains} - set(means[BASELINE]))
    if alone:
        notes.append(f"No mean over targets of {', '.join(alone)}: it needs answers on at least three targets.")
    if len(means) == 1:
        notes.append(
            "No control was run, so a gain may be that of more steps, or of steadier trainings: "
            "controls=[placebo,steps] adds them."
        )
    return notes


def _rows(found: Findings, means: Mapping[str, Mapping[str, Overall]]) -> Iterator[dict[str, Any]]:
    for over, by_row in means.items():
        for row, mean in by_row.items():
            low, high = mean.interval()
            about = {"after": row, "over": over, "target": ALL, "language": ZERO_SHOT}
            yield {**about, "value": mean.value, "low": low, "high": high, "p": mean.p, "seeds": ""}
    every = [*found.entries.values(), *found.over.values()]
    for evidence in every:
        about = {"after": evidence.row, "over": evidence.over, "target": evidence.column}
        yield from tidy(about, evidence.gains)
