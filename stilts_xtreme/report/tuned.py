"""Each arm with its own best learning rate: a control for gains that a better setting of the baseline gives too.

A sweep over ``recipe.target.learning_rate`` makes the cells, with and without the intermediate task. Here the rate with
the best score on dev rows of the source language is taken, for candidates, controls and baselines alike, each target
and seed on its own. Gains are then taken between the chosen cells.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import digest_of
from stilts_xtreme.report.labels import BEFORE, evaluation, identity, meaningless, row_name
from stilts_xtreme.report.results import FinishedCell

OPTION = "recipe.target.learning_rate"
CHOSEN = "tuned"
"""What stands in the place of the learning rate."""


def tuned(cells: Sequence[FinishedCell]) -> tuple[list[FinishedCell], list[str]]:
    """Of cells that differ in the learning rate of the target alone, the one with the best dev score.

    A cell that collapsed is taken only where all of them did. Of equal scores the lower rate is taken.

    Args:
        cells: Finished cells; those of a target that is not trained stay as they are.

    Returns:
        The chosen cells, whose gains are over the chosen baselines; and sentences on what was chosen for each encoder
        and target, and on whether larger or smaller rates are worth a trial.

    Raises:
        StiltsError: No two cells differ in the learning rate, a baseline is missing, or a cell has no dev score.
    """
    groups = _groups(cells)
    if all(len(group) == 1 for group in groups.values()):
        raise StiltsError(
            f"--tuned chooses between learning rates; run the sweep with several, as in {OPTION}=2e-5,5e-5."
        )
    chosen = {key: _best(group) for key, group in groups.items()}
    home = {evaluation(cell.result): key for key, group in groups.items() for cell in group}
    found: list[FinishedCell] = []
    notes: dict[str, list[str]] = {}
    for key, cell in chosen.items():
        lacking = [other for other in groups[key] if identity(other.result, "baseline") not in {None, *home}]
        if lacking:
            raise StiltsError(
                f"The baseline of {lacking[0].result['cell']}, with the learning rate {_rate(lacking[0].result):g}, is "
                "not among these cells; --tuned needs the same rates with +intermediate=none."
            )
        found.append(FinishedCell(_changed(cell.result, chosen, home), cell.folder))
        if len(groups[key]) > 1:
            before = "+".join(cell.result["intermediate"]) or "none"
            control = f"{cell.result['control']}({before})" if cell.result.get("control") else before
            where = f"{cell.result['model']}, {control} > {cell.result['target']}"
            notes.setdefault(where, []).append(f"seed {cell.result['seed']} {_rate(cell.result):g}")
    said = [f"Learning rate by dev rows, {where}: {', '.join(rates)}." for where, rates in notes.items()]
    return found, [*said, *_ends([(chosen[key], group) for key, group in groups.items() if len(group) > 1])]


def where_swept(cells: Sequence[FinishedCell]) -> tuple[list[FinishedCell], list[str]]:
    """As :func:`tuned`, where some cells differ in the learning rate alone; all cells and no sentence where none do.

    A study compares cells that differ in nothing but its axes, so several learning rates have one meaning in it.
    """
    several = any(len(group) > 1 for group in _groups(cells).values())
    return tuned(cells) if several else (list(cells), [])


def _groups(cells: Sequence[FinishedCell]) -> dict[Hashable, list[FinishedCell]]:
    """Cells that are chosen between, with one seed."""
    groups: dict[Hashable, list[FinishedCell]] = {}
    for cell in cells:
        groups.setdefault((_alike(cell.result), cell.result["seed"]), []).append(cell)
    return groups


def _ends(chosen: Sequence[tuple[FinishedCell, Sequence[FinishedCell]]]) -> list[str]:
    """A sentence where most choices lie at one end of what was tried."""
    said = []
    for end, word in ((max, "larger"), (min, "smaller")):
        here = sum(_rate(cell.result) == end(_rate(other.result) for other in group) for cell, group in chosen)
        if 2 * here > len(chosen):
            extreme = "largest" if word == "larger" else "smallest"
            said.append(
                f"The {extreme} learning rate that was tried is the best one in {here} of {len(chosen)} choices, so "
                f"{word} ones may be better still."
            )
    return said


def _alike(result: Mapping[str, Any]) -> Hashable:
    """What cells have in common that are chosen between."""
    before = [identity(result, part) for part in ("encoder", "before")]
    intermediate = {name: value for name, value in _settings(result).items() if name.startswith(BEFORE)}
    return digest_of([*before, row_name(result), intermediate, _rest(result)])


def _rest(result: Mapping[str, Any]) -> str:
    """All that a score depends on beside the encoder, what came before the target, the seed, and the learning rate."""
    settings = {name: value for name, value in _settings(result).items() if not name.startswith((*BEFORE, OPTION))}
    return digest_of([identity(result, "task"), result["target"], result.get("rule"), settings])


def _settings(result: Mapping[str, Any]) -> Mapping[str, Any]:
    return result.get("settings") or {}


def _rate(result: Mapping[str, Any]) -> float:
    return float(_settings(result).get(OPTION) or 0.0)


def _best(group: Sequence[FinishedCell]) -> FinishedCell:
    if len(group) == 1:
        return group[0]
    return max(group, key=lambda cell: (not meaningless(cell.result), _dev(cell.result), -_rate(cell.result)))


def _dev(result: Mapping[str, Any]) -> float:
    trained = {row.get("trained") for row in result["rows"]}
    by_task = [stage["info"].get("dev") or {} for stage in result.get("stages") or () if stage["key"] in trained]
    scores = [float(score) for found in by_task for score in found.values()]
    if not scores:
        raise StiltsError(f"{result['cell']} has no score on dev rows, by which --tuned would choose a learning rate.")
    return sum(scores) / len(scores)


def _changed(
    result: Mapping[str, Any], chosen: Mapping[Hashable, FinishedCell], home: Mapping[str | None, Hashable]
) -> dict[str, Any]:
    """A result that says that its learning rate was chosen, and is compared with what was chosen too."""
    own = dict(result.get("identity") or {})
    for part in ("baseline", "controlled"):
        if own.get(part) in home:
            own[part] = evaluation(chosen[home[own[part]]].result)
    own["rest"] = _rest(result)
    base = next((cell.result for cell in chosen.values() if evaluation(cell.result) == own.get("baseline")), None)
    scores = {line["language"]: line.get("value") for line in base["comparison"]} if base is not None else {}
    lines = []
    for line in result["comparison"]:
        before, after = scores.get(line["language"]), line.get("value")
        gain = after - before if before is not None and after is not None else None
        lines.append({**line, "baseline": before, "gain": gain})
    averages = {name: value for name, value in result["averages"].items() if not name.endswith(("_baseline", "_gain"))}
    settings = {**_settings(result), OPTION: CHOSEN}
    return {**result, "identity": own, "settings": settings, "comparison": lines, "averages": averages}
