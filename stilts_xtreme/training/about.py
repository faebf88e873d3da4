"""What the card of a trained model says of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stilts_xtreme.core.conf import conf_dir
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Merged, Selected, Training
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks.card import OURS, UNKNOWN, About, Learnt


def about(cell: Cell, made: Training | Selected, rows: Mapping[str, int], dev: Mapping[str, float] | None) -> About:
    """What a training was.

    Args:
        cell: A cell that needs it.
        made: The training, or the weights that a rule chose among those of its evaluation points.
        rows: Task -> training rows.
        dev: Task -> its dev score; None: there is none.
    """
    stage, rule = (made.training, made.rule) if isinstance(made, Selected) else (made, None)
    spoken: list[str] = []
    for task in stage.tasks:
        spoken += [source_of(spec, cell.data).source_language for spec in task.datasets]
    if stage.translated is not None and stage.translated.options.mode == "replace":
        spoken = []
    if stage.translated is not None:
        spoken += [code for parts in stage.translated.rows for part in parts for code in part.languages]
    shipped = cell.model.shipped is not None
    return About(
        languages=tuple(dict.fromkeys(spoken)),
        base=cell.model.id,
        licence=OURS if shipped else cell.model.licence or UNKNOWN,
        seed=stage.seed,
        precision=stage.precision,
        command=command_of(cell, stage, rule),
        heads={
            task.name: Learnt(
                task.metric,
                task.datasets,
                task.recipe if rule is None else replace(task.recipe, selection=rule),
                rows[task.name],
                (dev or {}).get(task.name),
            )
            for task in stage.tasks
        },
    )


def about_merged(cell: Cell, stage: Merged) -> About:
    """What the trainings of a merged encoder were, taken together.

    Args:
        cell: A cell that needs it.
        stage: The merging.
    """
    trainings = [one for one in stage.chain() if isinstance(one, Training)]
    each = [about(cell, one, {task.name: 0 for task in one.tasks}, None) for one in trainings]
    spoken = dict.fromkeys(language for one in each for language in one.languages)
    return replace(each[0], languages=tuple(spoken), command=command_of(cell, stage), heads={})


def command_of(cell: Cell, stage: Training | Merged, rule: str | None = None) -> str:
    """A command line that makes a training or merges several, without the paths of this machine.

    Args:
        cell: A cell that needs it.
        stage: The training.
        rule: What chooses the weights; None for what the recipe says.
    """
    trained = [one for one in stage.chain() if isinstance(one, Training)]
    before = next((one for one in trained if one.phase == "intermediate"), None)
    control = "control=placebo" if before is not None and before.placebo else ""
    if before is None:
        before, control = next((one.longer for one in trained if one.longer is not None), None), "control=steps"
    names = cell.intermediate or (tuple(task.name for task in before.tasks) if before is not None else ())
    if stage.phase == "intermediate" and len(stage.tasks) < len(names):  # one of several that are merged afterwards
        learnt = {task.name for task in stage.tasks}
        tasks = zip(cell.intermediate, cell.intermediate_tasks, strict=True)
        names = tuple(name for name, task in tasks if task.name in learnt)
    words = ["python -m stilts_xtreme"]
    if before is not None:
        words.append(f"+intermediate={names[0]}" if len(names) == 1 else f"'+intermediate=[{','.join(names)}]'")
    if stage.phase == "target" and cell.target is not None:
        words.append(f"+target={cell.target.name}")
    model = cell.model
    known = model.name != "custom" and _ours("model", model.name)
    words.append(f"model={model.name if known else model.id or 'FOLDER'}")
    if model.layers is not None:
        words.append(f"model.layers={model.layers}")
    words.append(f"recipe={cell.recipe_name}")
    if rule is not None:
        words.append(f"recipe.{stage.phase}.selection={rule}")
    words.append(f"data={cell.data.kind}" + (" data.root=FOLDER" if cell.data.root else ""))
    words.append(f"seed={trained[-1].seed}")
    if before is not None and before.volume is not None:
        words.append(f"volume={before.volume}")
    if before is not None and before.mlm is not None:
        words.append(f"mlm.weight={before.mlm.options.weight}")
    for one in stage.chain():
        if isinstance(one, Merged):
            words.append(f"merge={one.how.method}")
            words += [f"merge.{name}={value:g}" for name, value in one.how.numbers.items()]
    if before is not None and control:
        words.append(control)
    if stage.phase == "target" and cell.target is not None:
        own = not _ours("target", cell.target.name)
    else:
        own = not all(_ours("intermediate", name) for name in names)
    return " ".join(words) + (" --config-dir FOLDER" if own else "")


def _ours(group: str, name: str) -> bool:
    """Whether the package has the choice itself."""
    return (conf_dir() / group / f"{name}.yaml").is_file()
