"""More intermediate data, or a bigger encoder?

The cells are a grid of sizes and volumes. What doubling the rows and what doubling the encoder gives is the slope of
the score over the logarithm of each, the other one held. Both slopes, their difference and the interaction are paired
contrasts of the same test rows. A mixed model says what they are on average over languages like these. Which of the
two a budget of training buys is told by encoders at one cost (:mod:`.iso_cost`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.evidence import EVERY
from stilts_xtreme.report.families import short
from stilts_xtreme.report.labels import BASELINE
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.two_way import Line
from stilts_xtreme.report.studies import robustness
from stilts_xtreme.report.studies.compared import Arm, TargetArms, answered, gather, size_confounds, size_of
from stilts_xtreme.report.studies.conclusion import Conclusion, Planned, Table, corrected, decided, shown, tidy
from stilts_xtreme.report.studies.iso_cost import Budget, Key, Panel, budgets, cost_of, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "What buys more robustness in low-resource languages: more intermediate data or a bigger encoder?"
DATA, SIZE, SAME = "more data", "a bigger encoder", "the same (shown equivalent)"
MORE = "more by doubling the encoder than by doubling the data"
VOLUME, ENCODER, DIFFERENCE, INTERACTION = "doubling the data", "doubling the encoder", "difference", "interaction"
AVERAGE = "mean of the grid"
LIKE, TENFOLD = "languages like these", "with tenfold text"
LEVEL = "score of {} / {}"


@dataclass(frozen=True)
class Grid:
    """The cells of one target and one set of intermediate tasks.

    Attributes:
        target: Its arms.
        tasks: The intermediate tasks, joined by ``+``.
        arms: (size, examples) -> the arm.
        found: Name of a contrast -> language or mean -> value.
        budgets: Two encoders at one cost, and what the bigger one gives over the smaller one.
        levels: Arm -> its score, those without an intermediate task too.
        robust: Name of a contrast -> measure of robustness -> value.
        sampled: Name of a contrast -> what it is on average over languages like these; empty where a mixed model has
            too little.
    """

    target: TargetArms
    tasks: str
    arms: Mapping[tuple[int, int], Key]
    found: Mapping[str, Mapping[str, Gain]]
    budgets: Sequence[tuple[Budget, Mapping[str, Gain]]]
    levels: Mapping[Key, Gain]
    robust: Mapping[str, Mapping[str, Gain]]
    sampled: Mapping[str, Line]


def lacking(planned: Sequence[Planned]) -> str | None:
    """Why planned cells cannot weigh data against size; None where they can."""
    for target in dict.fromkeys(cell.target for cell in planned):
        own = [cell for cell in planned if cell.target == target and cell.before != BASELINE]
        encoders, volumes = ({getattr(cell, name) for cell in own} for name in ("encoder", "volume"))
        if len(encoders) < 2 or len(volumes) < 2:
            return _few(target, len(encoders), len(volumes))
    return None


def _few(target: str, encoders: int, volumes: int) -> str:
    return (
        f"study=volume_vs_size: {target} has {encoders} sizes and {volumes} volumes of an intermediate task, and needs "
        "two of each at the least; add to model= or model.layers=, and to volume=."
    )


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """The verdicts per target and intermediate task, and per class of languages where there are classes.

    Args:
        cells: A grid of at least two sizes and two volumes; what has no intermediate task is passed over.

    Raises:
        StiltsError: The grid is too small, or cells of it are missing.
    """
    targets, notes = gather(cells, keep_unlearnt=True)  # to learn nothing is what few rows may do
    grids = [grid for found in answered(targets.values(), _grids, notes) for grid in found]
    if not grids:
        raise StiltsError(" ".join([_few("no target", 0, 0), *notes[:3]]))
    differences = {
        (f"{g.target.name} after {g.tasks}", mean): g.found[DIFFERENCE][mean]
        for g in grids
        for mean in g.target.means
        if mean != EVERY
    }
    holm = corrected(differences)
    synthetic = any(cell.result["synthetic"] for cell in cells)
    rising = [g for g in grids if len({(k[0], cost_of(g.target.arms[k])) for k in g.arms.values()}) == len(g.arms)]
    return Conclusion(
        question=QUESTION,
        verdicts=[
            decided(f"{what}, {mean.removeprefix('mean, ')}", gain, holm.get((what, mean)), MORE, (SIZE, DATA, SAME))
            for (what, mean), gain in differences.items()
        ],
        tables=[_effects(grids), _robustness(grids), *_sampled(grids), _equal_cost(grids)],
        confounds=[*_confounds(grids), *notes],
        rows=[row for g in grids for row in _rows(g)],
        synthetic=synthetic,
        draw=(lambda: _picture(rising, synthetic)) if rising else None,
    )


def _grids(target: TargetArms) -> list[Grid]:
    by_tasks: dict[str, dict[tuple[int, int], tuple[Key, Arm]]] = {}
    for key, arm in target.arms.items():
        examples = ((arm.first.get("scale") or {}).get("intermediate") or {}).get("examples")
        if key[1] != BASELINE and examples:
            place = size_of([arm]), int(examples)
            grid = by_tasks.setdefault("+".join(arm.first["intermediate"]), {})
            if place in grid:
                raise StiltsError(
                    f"{' / '.join(key)} and {' / '.join(grid[place][0])} have as many parameters and examples; keep "
                    "one of them."
                )
            grid[place] = key, arm
    return [_grid(target, tasks, places) for tasks, places in by_tasks.items()]


def _grid(target: TargetArms, tasks: str, places: Mapping[tuple[int, int], tuple[Key, Arm]]) -> Grid:
    sizes, volumes = (sorted({place[axis] for place in places}) for axis in (0, 1))
    if len(sizes) < 2 or len(volumes) < 2:
        raise StiltsError(_few(target.name, len(sizes), len(volumes)))
    empty = [(s, v) for s, v in itertools.product(sizes, volumes) if (s, v) not in places]
    if empty:
        size, volume = empty[0]
        raise StiltsError(
            f"study=volume_vs_size: {target.name} after {tasks} has no cell of {short(size)} parameters and {volume:,} "
            "examples; run the whole grid of sizes and volumes."
        )
    x, y = _centred(sizes), _centred(volumes)
    across = sum(value**2 for value in x.values()) * len(volumes)
    along = sum(value**2 for value in y.values()) * len(sizes)
    keys = {place: key for place, (key, _) in places.items()}
    wanted = {
        ENCODER: {keys[s, v]: x[s] / across for s, v in keys},
        VOLUME: {keys[s, v]: y[v] / along for s, v in keys},
        INTERACTION: {keys[s, v]: x[s] * y[v] / (across * along / len(keys)) for s, v in keys},
    }
    wanted[DIFFERENCE] = {key: wanted[ENCODER][key] - wanted[VOLUME][key] for key in keys.values()}
    sampled = robustness.sampled(target, wanted)
    paid = budgets(places)
    wanted |= {budget.name: dict(budget.weights) for budget in paid}
    baselines = [(encoder, BASELINE) for encoder in dict.fromkeys(encoder for encoder, _ in keys.values())]
    scored = [*keys.values(), *(key for key in baselines if key in target.arms)]
    wanted |= {LEVEL.format(*key): {key: 1.0} for key in scored}
    found = target.contrasts(wanted)
    level = {AVERAGE: {key: 1 / len(keys) for key in keys.values()}}
    robust = robustness.contrasts(target, level | {name: wanted[name] for name in (VOLUME, ENCODER, DIFFERENCE)})
    mean = next(iter(target.means))
    levels = {key: found.pop(LEVEL.format(*key))[mean] for key in scored}
    return Grid(target, tasks, keys, found, [(one, found.pop(one.name)) for one in paid], levels, robust, sampled)


def _centred(values: Sequence[int]) -> dict[int, float]:
    """Logarithms to the base two, their mean taken away."""
    logs = [math.log2(value) for value in values]
    return {value: log - sum(logs) / len(logs) for value, log in zip(values, logs, strict=True)}


def _effects(grids: Sequence[Grid]) -> Table:
    caption = (
        "Points that doubling gives, zero-shot mean, with intervals of 95 %: the slope over the logarithm of the rows, "
        "averaged over the sizes, and likewise the other way round. Interaction: how much more doubling the data gives "
        "with each doubling of the encoder."
    )
    titles = ("target", "after", VOLUME, ENCODER, "encoder less data", INTERACTION)
    return Table(caption, titles, [_effect(grid) for grid in grids])


def _effect(grid: Grid) -> list[str]:
    mean = next(iter(grid.target.means))
    order = (VOLUME, ENCODER, DIFFERENCE, INTERACTION)
    return [grid.target.name, grid.tasks, *(shown(grid.found[name][mean]) for name in order)]


def _robustness(grids: Sequence[Grid]) -> Table:
    order = (AVERAGE, VOLUME, ENCODER, DIFFERENCE)
    lines = [
        [grid.target.name, grid.tasks, measure, *(shown(grid.robust[name][measure]) for name in order)]
        for grid in grids
        for measure in grid.robust.get(AVERAGE, {})
    ]
    caption = (
        "What doubling does to robustness, in points, with intervals of 95 % over seeds alone. Gap: the zero-shot mean "
        "less the score of the language that is trained on. Spread: the standard deviation over the other languages; "
        "less is more even. Tenfold text: what a language with ten times as much pretraining text scores more, by a "
        "line over the languages that have some."
    )
    return Table(caption, ("target", "after", "measure", AVERAGE, VOLUME, ENCODER, "encoder less data"), lines)


def _sampled(grids: Sequence[Grid]) -> list[Table]:
    lines = [
        [
            grid.target.name,
            grid.tasks,
            "encoder less data" if name == DIFFERENCE else name,
            shown(fit.height),
            shown(fit.slope),
            f"{fit.languages:.1f}",
            f"{fit.seeds:.1f}",
        ]
        for grid in grids
        for name in (VOLUME, ENCODER, DIFFERENCE, INTERACTION)
        if (fit := grid.sampled.get(name))
    ]
    caption = (
        "A mixed model, in which languages and seeds are random: what doubling gives on average over languages like "
        "these, with as much pretraining text as they have on average, and how much more it gives with ten times as "
        "much text. The intervals of 95 % are those of the average, and a single language may lie outside. Beside them "
        "the standard deviations between languages, which text does not explain, and between seeds. Languages without "
        "pretraining text are left out."
    )
    titles = ("target", "after", "what", LIKE, TENFOLD, "between languages", "between seeds")
    return [Table(caption, titles, lines)] if lines else []


def _equal_cost(grids: Sequence[Grid]) -> Table:
    lines = [
        [
            grid.target.name,
            grid.tasks,
            f"{budget.cost:.3g}",
            *(f"{name}, {rows:,.0f} rows" for name, rows in zip(budget.encoders, budget.rows, strict=True)),
            shown(gains[next(iter(grid.target.means))]),
        ]
        for grid in grids
        for budget, gains in grid.budgets
    ]
    caption = (
        "For one budget of intermediate training (parameters without the embedding times examples seen): what the "
        "bigger encoder with fewer rows gives over the smaller one with more. Between two volumes a score is read off "
        "the line between them, over the logarithm of the cost."
        + ("" if lines else f" No two encoders have a budget in common: {_no_budget(grids)}.")
    )
    return Table(caption, ("target", "after", "budget", "smaller", "bigger", "bigger less smaller"), lines)


def _no_budget(grids: Sequence[Grid]) -> str:
    """Why no two trainings cost the same, and what would give some that do."""
    lengths = [_lengths(grid) for grid in grids]
    if any(steps < volumes for steps, volumes in lengths):
        if all(steps == 1 for steps, _ in lengths):
            return "all volumes have as many steps; volume_steps=own lets the cost fall with the volume"
        return "max_steps, of recipe.intermediate or of a task in it, ends the largest volumes alike"
    return "volumes in the proportion of the encoders' sizes give some"


def _picture(grids: Sequence[Grid], synthetic: bool) -> Figure:
    panels = []
    for grid in grids:
        curves: dict[str, dict[float, Gain]] = {}
        for _, key in sorted(grid.arms.items()):  # by size and volume
            curves.setdefault(key[0], {})[cost_of(grid.target.arms[key])] = grid.levels[key]
        none = {encoder: gain for (encoder, before), gain in grid.levels.items() if before == BASELINE}
        panels.append(Panel(f"{grid.target.name} after {grid.tasks}", curves, none))
    return draw(panels, synthetic)


def _lengths(grid: Grid) -> tuple[int, int]:
    """How many numbers of steps there are, and how many volumes."""
    arms = [grid.target.arms[key] for key in grid.arms.values()]
    return len({arm.first["scale"]["intermediate"]["steps"] for arm in arms}), len({place[1] for place in grid.arms})


def _confounds(grids: Sequence[Grid]) -> list[str]:
    said: dict[str, None] = {}
    for grid in grids:
        arms = [grid.target.arms[key] for key in grid.arms.values()]
        steps, volumes = _lengths(grid)
        if 1 < steps < volumes:
            said["Some volumes have as many steps and others fewer: length of training changes with some of them."] = (
                None
            )
        elif steps > 1:
            said["Smaller volumes were trained for fewer steps: data and length of training change together."] = None
        else:
            said["All volumes were trained for as many steps: a small one has its rows come again more often."] = None
        said |= dict.fromkeys(size_confounds(grid.target.name, arms))
        mean = next(iter(grid.target.means))
        better = max((VOLUME, ENCODER), key=lambda name: grid.found[name][mean].value)
        if grid.found[better][mean].value <= 0:
            said[f"{grid.target.name} after {grid.tasks}: neither gives a gain; {better} only harms less."] = None
        if not grid.target.by_items:
            said[f"{grid.target.name}: no answers item by item; intervals are over seeds alone."] = None
        if len(set.intersection(*(set(arm.seeds) for arm in arms))) == 1:
            said[f"{grid.target.name}: one seed alone; its intervals leave out the noise of seeds."] = None
    return list(said)


def _rows(grid: Grid) -> list[dict[str, Any]]:
    about = {"target": grid.target.name, "after": grid.tasks}
    rows = [row for name, by in grid.found.items() for row in tidy({**about, "contrast": name}, by)]
    rows += [row for name, by in grid.robust.items() for row in tidy({**about, "contrast": name}, by)]
    for name, fit in grid.sampled.items():
        rows += tidy({**about, "contrast": name}, {LIKE: fit.height, f"{LIKE}, {TENFOLD}": fit.slope})
    for budget, by in grid.budgets:
        rows += tidy({**about, "contrast": budget.name}, by)
    return rows
