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

    A cell that collapsed is taken only where all of them did. Of equal scores the lower rate is taken. An arm that
    lacks a rate which others have is left out with this seed, and so is one whose baseline does: the more rates are
    tried, the better is the best one.

    Args:
        cells: Finished cells; those of a target that is not trained stay as they are.

    Returns:
        The chosen cells, whose gains are over the chosen baselines; and sentences on what was chosen, on what is left
        out, and on whether larger or smaller rates are worth a trial.

    Raises:
        StiltsError: No two cells differ in the learning rate, no arm has all rates, or a cell has no dev score.
    """
    groups = _groups(cells)
    if all(len(group) == 1 for group in groups.values()):
        raise StiltsError(
            f"--tuned chooses between learning rates; run the sweep with several, as in {OPTION}=2e-5,5e-5."
        )
    kept, said = _comparable(groups)
    chosen = {key: _best(group) for key, group in kept.items()}
    home = {evaluation(cell.result): key for key, group in kept.items() for cell in group}
    found: list[FinishedCell] = []
    notes: dict[str, list[str]] = {}
    for key, cell in chosen.items():
        if len(kept[key]) == 1:
            found.append(cell)
            continue
        found.append(FinishedCell(_changed(cell.result, chosen, home), cell.folder))
        notes.setdefault(_where(cell.result), []).append(f"seed {cell.result['seed']} {_rate(cell.result):g}")
    rates = [
        f"Learning rate by dev rows of the source language, {where}: {', '.join(by)}." for where, by in notes.items()
    ]
    return found, [*rates, *said, *_ends([(chosen[key], group) for key, group in kept.items()])]


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


def _comparable(
    groups: Mapping[Hashable, list[FinishedCell]],
) -> tuple[dict[Hashable, list[FinishedCell]], list[str]]:
    """The groups that have all rates which others of their encoder and target have, and whose baselines do.

    Raises:
        StiltsError: None of several rates is left.
    """
    tried: dict[Hashable, set[float]] = {}
    for group in groups.values():
        tried.setdefault(_place(group[0].result), set()).update(_rate(cell.result) for cell in group)
    kept, said = dict(groups), []
    for key, group in groups.items():
        if lost := tried[_place(group[0].result)] - {_rate(cell.result) for cell in group}:
            rates = ", ".join(f"{rate:g}" for rate in sorted(lost))
            said.append(
                f"{_who(group[0].result)}, is left out: it has no cell with the learning rate {rates}, as others do."
            )
            del kept[key]
    home = {evaluation(cell.result) for group in kept.values() for cell in group}
    for key, group in list(kept.items()):
        if len(group) > 1 and any(identity(cell.result, "baseline") not in {None, *home} for cell in group):
            said.append(
                f"{_who(group[0].result)}, is left out: its baseline is not among these cells with the same learning "
                "rates (+intermediate=none)."
            )
            del kept[key]
    if all(len(group) == 1 for group in kept.values()):
        raise StiltsError(" ".join(said[:3]))
    return kept, said


def _place(result: Mapping[str, Any]) -> Hashable:
    return result["model"], identity(result, "encoder"), _rest(result)


def _where(result: Mapping[str, Any]) -> str:
    return f"{result['model']}, {row_name(result)} > {result['target']}"


def _who(result: Mapping[str, Any]) -> str:
    return f"{_where(result)}, seed {result['seed']}"


def _ends(chosen: Sequence[tuple[FinishedCell, Sequence[FinishedCell]]]) -> list[str]:
    """A sentence where most choices lie at one end of what was tried.

    Cells that go on from one training, as those of several draws of shots, are one choice. Choices between fewer than
    three rates, of equal scores, and between cells that all collapsed are not counted.
    """
    choices: dict[Hashable, tuple[float, list[float]]] = {}
    for cell, group in chosen:
        best = [other for other in group if _dev(other.result) == _dev(cell.result)] if len(group) > 2 else []
        if len(best) == 1 and not meaningless(cell.result):
            trained = frozenset(str(row.get("trained")) for row in cell.result["rows"])
            choices[trained] = _rate(cell.result), [_rate(other.result) for other in group]
    said = []
    for end, extreme, word in ((max, "largest", "larger"), (min, "smallest", "smaller")):
        here = sum(rate == end(rates) for rate, rates in choices.values())
        if 2 * here > len(choices):
            said.append(
                f"The {extreme} learning rate that was tried is the best one in {here} of {len(choices)} choices, so "
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
