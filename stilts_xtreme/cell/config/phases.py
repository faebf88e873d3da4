"""Checked options of what a cell trains on: recipes, intermediate tasks and target."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from stilts_xtreme.core.checks import check, choice, known, make, number, refused, whole
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import OPTIMISER_FIELDS, Recipe, Target, TrainTask
from stilts_xtreme.data.catalogue import task_names
from stilts_xtreme.tasks import format_of, formats

Find = Callable[[str], DatasetSpec]
"""A data set by its name."""


def option_of(option: str, phase: Mapping[str, Any], task: str, field: str) -> str:
    """The option that a task's value of a field comes from: its own, or the phase's."""
    own = (phase.get("tasks") or {}).get(task) or {}
    return f"{option}.tasks.{task}.{field}" if field in own else f"{option}.{field}"


def make_recipe(option: str, phase: Mapping[str, Any], task: str = "") -> Recipe:
    """The recipe of one task: the phase's values under the task's own.

    Args:
        option: The phase as the user writes it, such as ``recipe.target``.
        phase: Its values.
        task: The task's name; none: what the phase says of all.

    Raises:
        StiltsError: For an unknown field or a value out of range.
    """
    fields = {field.name for field in dataclasses.fields(Recipe)}
    own = dict((phase.get("tasks") or {}).get(task) or {})
    known(f"{option}.tasks.{task}", own, fields)
    recipe = make(Recipe, option, {key: value for key, value in phase.items() if key != "tasks"} | own)
    asked = {field: option_of(option, phase, task, field) for field in fields}
    for name in ("learning_rate", "epochs", "adam_epsilon", "max_grad_norm"):
        number(asked[name], getattr(recipe, name), 0, strict=True)
    for name in ("warmup_ratio", "weight_decay"):
        number(asked[name], getattr(recipe, name), 0)
    for name, least in (("batch_size", 1), ("dev_rows", 1), ("stride", 0), ("max_length", 8), ("max_query_length", 1)):
        whole(asked[name], getattr(recipe, name), least)
    for name, least in (("max_steps", 1), ("eval_every", 1), ("patience", 1), ("warmup_steps", 0)):
        whole(asked[name], getattr(recipe, name), least, optional=True)
    check(recipe.warmup_ratio <= 1, asked["warmup_ratio"], recipe.warmup_ratio, "it is a share, at most 1")
    number(asked["dropout"], recipe.dropout, 0, optional=True)
    check(recipe.dropout is None or recipe.dropout < 1, asked["dropout"], recipe.dropout, "it must be below 1")
    if recipe.freeze is not None and recipe.freeze != "embeddings":
        rule = "it must be null, embeddings or a whole number of layers, 1 or more"
        check(type(recipe.freeze) is int and recipe.freeze >= 1, asked["freeze"], recipe.freeze, rule)
    whole(asked["lora"], recipe.lora, 1, optional=True)
    choice(asked["selection"], recipe.selection, ("last", "best", "average"))
    mean = "the mean of the weights of several points is none of matrices of low rank; take selection=last or best"
    check(recipe.lora is None or recipe.selection != "average", asked["lora"], recipe.lora, mean)
    every = "an average needs all evaluation points, and patience would end the training before the last ones"
    check(recipe.selection != "average" or recipe.patience is None, asked["patience"], recipe.patience, every)
    return recipe


def check_named(group: str, phase: Mapping[str, Any], own: Collection[str]) -> None:
    """Refuses a recipe's values for a task that there is not.

    Args:
        group: ``intermediate`` or ``target``.
        phase: The recipe's values for it.
        own: Tasks of the cell, which may be the user's own.
    """
    for name in phase.get("tasks") or {}:
        if name not in own and name not in task_names(group):
            raise unknown(f"task of recipe.{group}.tasks", name, task_names(group))


def make_intermediate(tasks: Mapping[str, Any], recipe: Mapping[str, Any], find: Find) -> tuple[TrainTask, ...]:
    """The intermediate tasks, sorted by name.

    Args:
        tasks: Name -> its head, metric and data sets.
        recipe: The phase's values.
        find: Gives a data set.

    Raises:
        StiltsError: For an unknown field or choice, a ranking beside other tasks, or a recipe out of range.
    """
    made = []
    for name, task in sorted(tasks.items()):
        option = f"intermediate.{name}"
        known(option, task, ("head", "metric", "datasets", "substitute_for"))
        _check_task(option, task, ("head", "metric", "datasets"))
        format = format_of(task["head"])
        check(format.trained, f"{option}.head", format.name, "nothing of it is trained")
        alone = f"{format.alone}, so it is trained alone, not jointly with other tasks"
        check(not format.alone or len(tasks) == 1, f"{option}.head", format.name, alone)
        own = make_recipe("recipe.intermediate", recipe, name)
        if len(tasks) > 1:  # one optimiser serves all heads: its settings are the phase's own, not a task's
            common = make_recipe("recipe.intermediate", recipe)
            own = dataclasses.replace(own, **{field: getattr(common, field) for field in OPTIMISER_FIELDS})
        specs = tuple(find(dataset) for dataset in task["datasets"])
        made.append(TrainTask(task["head"], task["metric"], specs, own, task.get("substitute_for")))
    return tuple(made)


def make_target(values: Mapping[str, Any], more: Collection[str], recipe: Mapping[str, Any], find: Find) -> Target:
    """The target task.

    Args:
        values: Its name, head, metric, data sets and languages.
        more: Languages that the benchmark adds.
        recipe: The phase's values.
        find: Gives a data set.

    Raises:
        StiltsError: For an unknown choice, a recipe out of range, a target that has nothing to train on though its
            format is trained, or candidates where there is no ranking.
    """
    _check_task("target", values, ("name", "head", "metric", "train", "test"))
    name, head, metric = values["name"], values["head"], values["metric"]
    own = make_recipe("recipe.target", recipe, name)
    if format_of(head).trained and not values["train"]:
        raise StiltsError(
            f"target.train={values['train']} is refused: target.head={head} is trained; name at least one data set."
        )
    train = tuple(TrainTask(head, metric, (find(dataset),), own) for dataset in values["train"])
    test = find(values["test"])
    if train and test.source_language and test.name not in values["train"]:
        why = f"{name} is trained on {', '.join(values['train'])}, whose language is that of the cell; take null"
        raise refused(f"dataset.{test.name}.source_language", test.source_language, why)
    candidates = find(values["candidates"]) if values.get("candidates") else None
    if (candidates is not None) != (format_of(head).candidates is not None):
        raise StiltsError(
            f"target.candidates={values.get('candidates')} does not fit target.head={head}: a ranking, and nothing "
            "else, needs the name of a data set to choose from."
        )
    return Target(name, head, metric, train, test, (*(values.get("languages") or ()), *more), own, candidates)


def _check_task(option: str, values: Mapping[str, Any], fields: Collection[str]) -> None:
    missing = [name for name in fields if name not in values]
    if missing:  # options of a task that nobody has named
        group = option.partition(".")[0]
        raise StiltsError(f"{option} lacks {', '.join(missing)}: name a task (+{group}=TASK) or give them all.")
    scored = {name: format for name, format in formats().items() if format.metrics}
    choice(f"{option}.head", values["head"], scored)
    choice(f"{option}.metric", values["metric"], [metric.name for metric in scored[values["head"]].metrics])


def passed_over(config: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """Why options of a recipe change nothing: a value of each task's own wins, or a joint training takes the phase's.

    Args:
        config: The composed configuration, which may yet be refused.
        overrides: The options that were given, such as ``recipe.target.learning_rate=1e-5``.

    Returns:
        A sentence for each.
    """
    given = dict(text.lstrip("+").partition("=")[::2] for text in overrides)
    target = (config.get("target") or {}).get("name")
    named = {"intermediate": list(config.get("intermediate") or {}), "target": [target] if target else []}
    said = []
    for phase, tasks in named.items():
        own = (config["recipe"].get(phase) or {}).get("tasks") or {}
        for field in (field.name for field in dataclasses.fields(Recipe)):
            option = f"recipe.{phase}.{field}"
            owns = {f"recipe.{phase}.tasks.{task}.{field}": own.get(task) for task in tasks}
            asked = [name for name in owns if name in given]
            if len(tasks) > 1 and field in OPTIMISER_FIELDS:
                said += [
                    f"{name}={given[name]} changes nothing in a joint training: one optimiser serves all its tasks, "
                    f"and takes {option}; give that."
                    for name in asked
                ]
                continue
            won = all(isinstance(values, Mapping) and field in values for values in owns.values())
            if option in given and tasks and won and not asked:
                win = ", ".join(f"{name}={values[field]}" for name, values in owns.items() if values)
                said.append(f"{option}={given[option]} changes nothing: the recipe has {win}, which wins; give that.")
    return said
