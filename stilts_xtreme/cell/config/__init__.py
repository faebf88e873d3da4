"""From the composed configuration to a checked cell: everything is refused at the door, in one sentence.

:mod:`core.checks` has the checks of single values; :mod:`.sources`, :mod:`.phases`, :mod:`.mixing`, :mod:`.machine` and
:mod:`.extensions` make the parts of a cell.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stilts_xtreme.cell.config.extensions import checked_target, make_callbacks
from stilts_xtreme.cell.config.machine import make_trainer
from stilts_xtreme.cell.config.mixing import make_merge, make_mlm, make_sampling, make_translation, make_volume
from stilts_xtreme.cell.config.phases import Find, check_named, make_intermediate, make_target, option_of
from stilts_xtreme.cell.config.shots import make_shots
from stilts_xtreme.cell.config.sources import kind_of, layers_of, make_data, make_model
from stilts_xtreme.cell.config.translate_test import check_translate_test
from stilts_xtreme.cell.tracking import checked
from stilts_xtreme.core.checks import check, choice, file_name, folder_name, freezable, known, own_layers, switch, whole
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.mixing import Merge, Mlm, Translation
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.shots import Shots
from stilts_xtreme.core.specs import Cell, Target, TrainTask
from stilts_xtreme.data.catalogue import load_spec, names, spec_from_mapping
from stilts_xtreme.data.corpus import own_text
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.tasks import option_groups
from stilts_xtreme.tasks.options import OptionGroup

OPTIONS = (
    *("model", "data", "benchmark", "recipe", "trainer", "logger", "callbacks", "intermediate", "target", "dataset"),
    *("seed", "control", "volume", "volume_steps", "sampling", "merge", "mlm", "translation", "languages", "baseline"),
    *("output", "evaluation", "shots", "store", "study", "sweep"),
)
CONTROLS = ("placebo", "steps")
"""What a cell with an intermediate task can be a control for."""
RULES = ("best", "last", "average", "oracle")
"""What may choose the weights that are evaluated among those of a training's evaluation points."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "sampling": ("kind", "temperature", "cap"),
    "merge": ("method", "scale", "density"),
    "mlm": tuple(field.name for field in dataclasses.fields(Mlm)),
    "translation": tuple(field.name for field in dataclasses.fields(Translation)),
    "shots": tuple(field.name for field in dataclasses.fields(Shots)),
    "evaluation": ("floors", "random_init", "rules", "translate_test"),
    "store": ("damaged", "weights"),
    "sweep": ("objective",),
    "study": ("name", "controls", "axis", "analysis", "hypothesis", "expected"),
    "recipe": ("name", "source", "sources", "intermediate", "target", "shots_rate"),
    "target": ("name", "head", "metric", "train", "test", "candidates", "languages"),
    "benchmark": ("name", "groups", "qa", "more", "tasks"),
    "logger": ("kind", "project", "entity", "group", "mode", "tags", "uri"),
}


def make_cell(cfg: Mapping[str, Any]) -> Cell:
    """Turns a composed configuration into a checked cell.

    Args:
        cfg: The configuration as plain containers (``OmegaConf.to_container(cfg, resolve=True)``).

    Returns:
        The cell; intermediate tasks sorted by name, so that their order on the command line does not matter.

    Raises:
        StiltsError: One sentence naming the option, the value and the choices.
    """
    groups = option_groups()
    known("", cfg, (*OPTIONS, *(group.name for group in groups if group.name not in OPTIONS)))
    fields = dict(GROUPS)
    for own in groups:
        fields[own.name] = (*fields.get(own.name, ()), *own.defaults)
    _refuse_headless(cfg)
    if "_target_" in (cfg.get("logger") or {}):  # a logger of the user's has options of its own
        checked_target("logger", cfg["logger"])
        del fields["logger"]
        logger = dict(cfg["logger"])
    else:
        known("logger", cfg["logger"], fields.pop("logger"))
        logger = checked(cfg["logger"])
    for name, allowed in fields.items():
        given = cfg.get(name) or {}
        group = f"it is a group of options; give one of them a value, such as {name}.{allowed[0]}"
        check(isinstance(given, Mapping), name, given, group)
        known(name, given, allowed)
    data = make_data(cfg["data"])
    find = _finder(cfg.get("dataset") or {})
    recipe, chosen, aim = cfg["recipe"], cfg.get("intermediate") or {}, cfg.get("target") or {}
    check_named("intermediate", recipe["intermediate"], chosen)
    check_named("target", recipe["target"], [aim.get("name", "")])
    tasks = make_intermediate(chosen, recipe["intermediate"], find)
    more = cfg["benchmark"]["more"].get(aim.get("name"), ())
    target = make_target(aim, more, recipe["target"], find) if aim else None
    if target is None and not tasks and cfg.get("study"):
        raise StiltsError(f"study={cfg['study']['name']} is a sweep of many cells; add -m to the command.")
    if target is None and not tasks:
        raise StiltsError("Nothing to do: give +target=TASK, +intermediate=TASK or both (--help lists the choices).")
    synthetic = source_of(target.test if target else tasks[0].datasets[0], data).synthetic
    model = make_model(cfg["model"], data, own_text=bool(own_text(data, tasks, target)))
    mlm = make_mlm(cfg["mlm"], recipe["intermediate"] if tasks else None)
    layers, kind = layers_of(model), kind_of(model)
    alone = next(iter(chosen)) if len(chosen) == 1 else ""
    phases = (("intermediate", alone, tasks), ("target", target.name, target.train) if target else ("target", "", ()))
    for group, name, of_phase in phases:
        if of_phase:
            taken = of_phase[0].recipe
            option, rank = (option_of(f"recipe.{group}", recipe[group], name, field) for field in ("freeze", "lora"))
            if isinstance(taken.freeze, int):
                own_layers(option, taken.freeze, kind, "embeddings")
            if taken.lora is not None:
                own_layers(rank, taken.lora, kind, "null")
            if layers is not None:
                freezable(option, taken.freeze, layers)
    whole("seed", cfg["seed"], 0)
    check(cfg["seed"] < 2**32, "seed", cfg["seed"], "it must be below 2**32 = 4294967296")
    merge = make_merge(cfg.get("merge") or {}, len(tasks))  # a configuration of an earlier version has none
    control = _control(cfg.get("control"), tasks, target, merge)
    choice("volume_steps", cfg["volume_steps"], ("own", "whole"))
    for named in (cfg.get("study") or {}).get("controls") or ():
        expected = f"it must be one of {', '.join(('random', *CONTROLS))}, or an option such as model.weights=random"
        check(named in ("random", *CONTROLS) or "=" in str(named), "study.controls", named, expected)
    axis = (cfg.get("study") or {}).get("axis")
    if axis is not None:
        choice("study.axis", axis, ("size", "volume"))
    choice("sweep.objective", (cfg.get("sweep") or {}).get("objective", "dev"), ("dev", "test"))
    choice("store.damaged", cfg["store"]["damaged"], ("refuse", "retrain"))
    choice("store.weights", cfg["store"].get("weights", "all"), ("all", "needed"))  # an earlier version had it not
    _check_names(cfg, model.name)
    evaluation, options = _evaluation(cfg, groups, synthetic)
    if evaluation["rules"] and target is not None and target.train:
        every = "evaluation.rules need all evaluation points, and patience would end the training before the last ones"
        option = option_of("recipe.target", recipe["target"], target.name, "patience")
        check(target.recipe.patience is None, option, target.recipe.patience, every)
        points = "evaluation.rules keep the weights of all points, and those of low rank are no encoder; leave one out"
        option = option_of("recipe.target", recipe["target"], target.name, "lora")
        check(target.recipe.lora is None, option, target.recipe.lora, points)
    shots = make_shots(cfg.get("shots") or {}, recipe.get("shots_rate"))  # an earlier version had neither
    if shots is not None:
        alone = "shots come before the evaluation of a target, and there is none; add +target= or leave shots out"
        check(target is not None, "shots.k", shots.k, alone)
        zero = "rules choose among weights of the training in English; a model that is trained on shots is the last one"
        check(
            not evaluation["rules"], "evaluation.rules", list(evaluation["rules"]), f"{zero}; leave one of the two out"
        )
    check_translate_test(evaluation, target, shots)
    return Cell(
        model=model,
        data=data,
        intermediate=tuple(sorted(chosen)),
        intermediate_tasks=tasks,
        target=target,
        evaluation=evaluation,
        trainer=make_trainer(cfg["trainer"]),
        logger=logger,
        options=options,
        seed=cfg["seed"],
        volume=make_volume(cfg["volume"]),
        volume_steps=cfg["volume_steps"],
        sampling=make_sampling(cfg["sampling"]),
        mlm=mlm,
        translation=make_translation(cfg["translation"], data),
        languages=cfg["languages"],
        baseline=switch("baseline", cfg["baseline"]),
        output=str(cfg["output"]),
        on_damage=cfg["store"]["damaged"],
        recipe_name=str(recipe["name"]),
        synthetic=synthetic,
        callbacks=make_callbacks(cfg.get("callbacks")),
        control=control,
        merge=merge,
        shots=shots,
        kept_weights=cfg["store"].get("weights", "all"),
    )


def _control(asked: Any, tasks: Sequence[TrainTask], target: Target | None, merge: Merge | None) -> str | None:
    """What a cell is a control for; without an intermediate task it is none, as it has no volume either."""
    if asked is None:
        return None
    choice("control", asked, CONTROLS)
    if asked == "steps" and tasks:
        needs = "more steps are those of the training of a target; name a target that is trained"
        check(target is not None and bool(target.train), "control", asked, needs)
        several = "encoders that are merged have no number of steps; take control=placebo, or leave out merge="
        check(merge is None, "control", asked, several)
    return str(asked) if tasks else None


def _check_names(cfg: Mapping[str, Any], model: str) -> None:
    """Refuses what would write outside of the output folder, or to one that nobody named."""
    folder_name("model.name", model)
    for name in cfg.get("intermediate") or {}:
        folder_name("intermediate", name)
    for group in ("target", "study"):
        if cfg.get(group):
            folder_name(f"{group}.name", cfg[group].get("name"))
    target = cfg.get("target") or {}
    names = [("target.name", target["name"])] if target else []
    for option, value in (*names, *(("target.languages", language) for language in target.get("languages") or ())):
        file_name(option, value)  # before any training: predictions are written as TASK/test-LANGUAGE
    check(bool(cfg["output"]), "output", cfg["output"], "it must be the folder that a run writes to")


def _finder(composed: Mapping[str, Any]) -> Find:
    """Data sets by name: those of the configuration, and the catalogue's."""
    for name, values in composed.items():
        if not isinstance(values, Mapping):
            raise _headless("dataset", name, values)
        if not values.get("format"):
            given = [other for other, field in composed.items() if isinstance(field, Mapping) and field.get("format")]
            raise unknown("dataset", name, given)
    specs = {name: spec_from_mapping(values) for name, values in composed.items()}

    def find(name: str) -> DatasetSpec:
        if name not in specs and name not in names():
            raise StiltsError(
                f"The task names the data set '{name}', of which there is no description: write dataset/{name}.yaml, "
                f"and name it in the defaults of the task's YAML, as in 'defaults: [/dataset/{name}, _self_]'."
            )
        return specs[name] if name in specs else load_spec(name)

    return find


def _refuse_headless(cfg: Mapping[str, Any]) -> None:
    """Refuses a composition into which a YAML without its first line went.

    Raises:
        StiltsError: Names the line.
    """
    tasks = cfg.get("intermediate") or {}
    for name, values in tasks.items():
        if not isinstance(values, Mapping):
            raise _headless("intermediate", name, values)
    target = cfg.get("target") or {}
    if isinstance(target.get("target"), Mapping):
        raise StiltsError(
            f"target.target={{name: {target['target'].get('name')}, ...}} is refused: the YAML in target/ that says so "
            "must begin with the line '# @package _global_'."
        )
    for task in (target, *tasks.values()):  # a data set goes into the task that names it
        for name, value in (task.get("dataset") or {}).items():
            raise _headless("dataset", name, value)


def _headless(group: str, field: object, value: object) -> StiltsError:
    """The refusal of a YAML whose fields went one level too high."""
    return StiltsError(
        f"{group}.{field}={value} is refused: the YAML in {group}/ that says so must begin with the line "
        f"'# @package {group}.NAME', NAME being the name of its file."
    )


def _evaluation(
    cfg: Mapping[str, Any], groups: Sequence[OptionGroup], synthetic: bool
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The options of an evaluation, ``auto`` resolved, and those of the task formats that have groups of their own."""
    found: dict[str, dict[str, Any]] = {"evaluation": dict(cfg["evaluation"])}
    for group in groups:
        asked = cfg.get(group.name) or {}
        values = {name: asked.get(name, value) for name, value in group.defaults.items()}
        found[group.name] = found.get(group.name, {}) | group.checked(values, synthetic)
    values = found.pop("evaluation")
    floors, random = switch("evaluation.floors", values["floors"]), values["random_init"]
    random = synthetic and floors if random == "auto" else switch("evaluation.random_init", random)
    more = {"random_init": random, "rules": _rules(values.get("rules"))}
    return {**values, **more, "translate_test": values.get("translate_test")}, found  # an earlier version had none


def _rules(asked: Any) -> tuple[str, ...]:
    """The rules that choose weights, each once."""
    if asked is None:
        return ()
    expected = f"it must be null or a list of {', '.join(RULES)}"
    check(isinstance(asked, list | tuple), "evaluation.rules", asked, expected)
    for rule in asked:
        choice("evaluation.rules", rule, RULES)
    return tuple(dict.fromkeys(asked))
