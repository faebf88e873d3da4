"""The chain of a cell's stages. Pure, and free of torch: it answers in about a second.

``python -m stilts_xtreme.plan`` prints it (:mod:`stilts_xtreme.commands.plan`). A cell is planned once in a process:
whoever has a :class:`CellPlan` hands it on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from stilts_xtreme.cell import rows
from stilts_xtreme.cell.axes import translations_of
from stilts_xtreme.cell.encoder_identity import origin, pretraining
from stilts_xtreme.cell.shot_rows import few_shot
from stilts_xtreme.core.apportion import portions
from stilts_xtreme.core.floors import Floors
from stilts_xtreme.core.inputs import StageTask
from stilts_xtreme.core.specs import Cell, Target, TrainTask
from stilts_xtreme.core.stage import Evaluation, Merged, Pretraining, Selected, Stage, Training
from stilts_xtreme.tasks import format_of


@dataclass(frozen=True)
class CellPlan:
    """What a cell runs: its own chain, and the same target without the intermediate task to compare with.

    Attributes:
        cell: The cell.
        final: The last stage: the evaluation, or the intermediate training of a cell without a target.
        baseline: The evaluation of the baseline; None where there is nothing to compare.
        missing: Languages of the target without rows here.
        floors: The scores that need no model.
        random: The evaluation after the target training of an encoder with random weights, the last of the floors.
        compared: The evaluation that a gain is a gain over, whether the cell makes it or not: without the intermediate
            task; of a control with random weights, of the pretrained encoder. None of a baseline itself.
        controlled: Of a control, the evaluation of the same cell without it, whether anybody makes it or not.
        rules: Rule -> the same with the weights that the rule chooses, and its baseline by the same rule; empty where
            ``evaluation.rules`` names none, or nothing is trained on.
    """

    cell: Cell
    final: Training | Selected | Merged | Evaluation
    baseline: Evaluation | None = None
    missing: tuple[str, ...] = ()
    floors: Floors | None = None
    random: Evaluation | None = None
    compared: Evaluation | None = None
    controlled: Evaluation | None = None
    rules: Mapping[str, tuple[Evaluation, Evaluation | None]] = field(default_factory=dict)

    def stages(self) -> list[Stage]:
        """All distinct stages, parents before children."""
        by_rule = [stage for pair in self.rules.values() for stage in pair]
        every = (self.random, self.baseline, self.final, *by_rule, self.floors)
        ends = [stage for stage in every if stage is not None]
        return list({stage.key: stage for end in ends for stage in end.chain()}.values())


def _start(cell: Cell, parent: Stage | None) -> dict[str, Any]:
    """What a stage starts from: its parent, or the encoder from outside, of which ``random`` keeps only the shape."""
    pretrained = parent is None or isinstance(parent, Pretraining)
    return {
        "parent": parent,
        "origin": origin(cell.model) if parent is None else None,
        "fresh_weights": pretrained and cell.model.weights == "random",
        "precision": cell.trainer.precision,
    }


def _learns(cell: Cell, task: TrainTask) -> StageTask:
    if cell.model.weights == "random":  # to freeze what knows nothing would only make a lower floor of it
        task = replace(task, recipe=replace(task.recipe, freeze=None, lora=None))
    own, selects = format_of(task.head), task.recipe.selects
    settings = own.training_settings(cell, task.recipe)
    if selects:
        settings = {**settings, **own.selection_settings(cell, task.recipe)}
    train = rows.source_rows(cell, task.datasets, "train")
    return StageTask(task, train, rows.source_rows(cell, task.datasets, "validation", keyed=selects), settings)


def _train(
    cell: Cell,
    phase: Literal["intermediate", "target"],
    parent: Stage | None,
    tasks: Sequence[TrainTask],
    label: str,
    keeps: bool = False,
    **more: Any,
) -> Training:
    """A training; one that ``keeps`` leaves the weights of all its evaluation points for rules to choose from."""
    if keeps:
        tasks = [replace(task, recipe=replace(task.recipe, selection="points", patience=None)) for task in tasks]
    learns = tuple(_learns(cell, task) for task in tasks)
    return Training(
        phase=phase,
        label=label,
        **_start(cell, parent),
        learns=learns,
        seed=cell.seed,
        callbacks=cell.changes(),
        rows={part.task.name: sum(sum(rows.counts(own).values()) for own in part.train) for part in learns},
        **more,
    )


def _selected(training: Training, rule: str) -> Selected:
    return Selected(phase=training.phase, label=f"{training.label} [{rule}]", parent=training, rule=rule)


def _intermediate(cell: Cell, parent: Stage | None) -> Training | Selected | Merged:
    """The intermediate training, or what is merged of several, each of which a cell of its task alone has too."""
    label = experiment(cell)
    if cell.merge is None:
        return _trained(cell, parent, label)
    parts = []
    for name, task in zip(cell.intermediate, cell.intermediate_tasks, strict=True):
        alone = replace(cell, intermediate=(name,), intermediate_tasks=(task,), merge=None)
        parts.append(_trained(alone, parent, experiment(alone)))
    return Merged(label=label, merged=tuple(parts), how=cell.merge)


def _trained(cell: Cell, parent: Stage | None, label: str) -> Training | Selected:
    """An intermediate training, which alone has a volume, translations and masked language modelling."""
    tasks = cell.intermediate_tasks
    translations, averages = rows.translated_rows(cell, tasks), tasks[0].recipe.selection == "average"
    stage = _train(
        cell,
        "intermediate",
        parent,
        tasks,
        label,
        volume=cell.volume,
        volume_steps=cell.volume_steps,
        sampling=cell.sampling,
        translated=translations,
        mlm=rows.mixed_mlm(cell),
        placebo=cell.control == "placebo",
        keeps=averages,
    )
    times = 1
    if translations is not None:
        times = len(translations.rows[0][0].languages) + (translations.options.mode == "add")
    counts = portions([times * count for count in stage.rows.values()], cell.volume)
    stage = replace(stage, rows=dict(zip(stage.rows, counts, strict=True)))
    return _selected(stage, "average") if averages else stage


def _floors(cell: Cell, target: Target, languages: tuple[str, ...]) -> Floors:
    test = rows.test_rows(cell, target, languages)
    return Floors(
        label=target.name,
        target=target,
        train=rows.source_rows(cell, target.train[-1].datasets if target.train else (), "train"),
        test=test,
        candidates=rows.candidate_rows(cell, target),
        settings=format_of(target.head).floor_settings(),
        rows=rows.counts(test),
    )


def _evaluate(
    cell: Cell, parent: Stage | None, target: Target, languages: tuple[str, ...], label: str, oracle: bool = False
) -> Evaluation:
    test, candidates = rows.test_rows(cell, target, languages), rows.candidate_rows(cell, target)
    counts = rows.counts(test)
    shots = few_shot(cell, target, languages)
    if candidates is not None:
        counts["candidates"] = sum(rows.counts(candidates).values())
    return Evaluation(
        label=label,
        **_start(cell, parent),
        target=target,
        test=test,
        settings=format_of(target.head).evaluation_settings(cell, target.recipe),
        dev=rows.dev_rows(cell, target, languages, oracle),
        candidates=candidates,
        rows=counts,
        oracle=oracle,
        shots=shots,
        seed=cell.seed if shots is not None else None,
    )


def experiment(cell: Cell) -> str:
    """What people call the intermediate phase: its tasks, masked language modelling, languages of translated rows."""
    names = "+".join((*cell.intermediate, "mlm") if cell.mlm.weight else cell.intermediate)
    names = names if cell.translation.source is None else f"{names} [{cell.translation.words}]"
    names = f"{cell.merge.method}({names})" if cell.merge else names
    return f"{cell.control}({names})" if cell.control else names


def plan(cell: Cell) -> CellPlan:
    """The stages of a cell.

    Args:
        cell: A checked cell.

    Returns:
        Its plan; nothing is read but file sizes, digests and row counts.

    Raises:
        StiltsError: For missing data or languages.
    """
    pretrained = pretraining(cell)
    names = experiment(cell)
    intermediate = _intermediate(cell, pretrained) if cell.intermediate_tasks else None
    target = cell.target
    if target is None:
        assert intermediate is not None
        return CellPlan(cell, intermediate)
    languages, missing = rows.target_languages(cell, target)

    rules = cell.evaluation["rules"] if target.train else ()
    translated = translations_of(cell)

    def chain(
        start: Stage | None,
        prefix: str,
        weights: str = cell.model.weights,
        rule: str = "",
        longer: Training | None = None,
    ) -> Evaluation:
        stage = start
        own = replace(cell, model=replace(cell.model, weights=weights))
        for at, task in enumerate(target.train):
            last, name = at == len(target.train) - 1, f"{prefix}{task.name}"
            keeps = task.recipe.selection == "average" or (last and bool(rules))
            more = longer if at == 0 else None
            stage = _train(own, "target", stage, (task,), name, keeps, continues_head=at > 0, longer=more)
            if keeps and not (last and rule == "oracle"):
                stage = _selected(stage, rule if last and rule else task.recipe.selection)
        label = f"{prefix}{target.name}" + (f" [{rule}]" if rule else "")
        label += f" [{own.shots.words}]" if own.shots else ""
        label += f" [translate-test {translated}]" if translated else ""
        return _evaluate(own, stage, target, languages, label, rule == "oracle")

    floors = _floors(cell, target, languages) if cell.evaluation["floors"] else None
    random = None
    if cell.evaluation["random_init"] and cell.model.weights != "random":
        random = chain(pretrained, "random > ", "random")
    # every label is its own within a cell, whatever the tasks: a logger tells the curves apart by it
    without = chain(pretrained, "none > ")
    by_rule = {rule: chain(pretrained, "none > ", rule=rule) for rule in rules}
    if intermediate is None:
        alone: dict[str, tuple[Evaluation, Evaluation | None]] = {rule: (own, None) for rule, own in by_rule.items()}
        compared = chain(pretrained, "none > ", "pretrained") if cell.model.weights == "random" else None
        return CellPlan(cell, without, None, missing, floors, random, compared, None, alone)
    start: Stage | None = intermediate
    controlled: Evaluation | None = None
    longer: Training | None = None
    if cell.control:
        plain = replace(cell, control=None)
        of = _intermediate(plain, pretrained)
        controlled = chain(of, "")
        if cell.control == "steps":
            assert not isinstance(of, Merged), "refused with the options"
            start, longer = pretrained, of.training if isinstance(of, Selected) else of
    baseline = without if cell.baseline else None
    pairs = {
        rule: (chain(start, f"{names} > ", rule=rule, longer=longer), base if cell.baseline else None)
        for rule, base in by_rule.items()
    }
    own = chain(start, f"{names} > ", longer=longer)
    return CellPlan(cell, own, baseline, missing, floors, random, without, controlled, pairs)
