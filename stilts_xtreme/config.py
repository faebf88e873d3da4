"""From the composed configuration to a checked cell: everything is refused at the door, in one sentence."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from stilts_xtreme.data import mirror
from stilts_xtreme.data.catalogue import load_spec, spec_from_mapping, task_names
from stilts_xtreme.data.schema import DatasetSpec, DataSpec
from stilts_xtreme.errors import StiltsError, unknown
from stilts_xtreme.metrics.scores import METRICS
from stilts_xtreme.scale import step_flops, steps_within
from stilts_xtreme.shipped import resolve
from stilts_xtreme.specs import (
    OPTIMISER_FIELDS,
    Cell,
    Mlm,
    ModelSpec,
    Recipe,
    Sampling,
    Target,
    TrainerSpec,
    TrainTask,
    Translation,
)

OPTIONS = (
    *("model", "data", "benchmark", "recipe", "trainer", "logger", "intermediate", "target", "dataset"),
    *("seed", "volume", "volume_steps", "sampling", "mlm", "translation", "languages", "baseline", "output"),
    *("evaluation", "tagging", "retrieval", "bitext", "store", "study"),
)
GROUPS: Mapping[str, tuple[str, ...]] = {
    "sampling": ("kind", "temperature", "cap"),
    "mlm": tuple(field.name for field in dataclasses.fields(Mlm)),
    "translation": tuple(field.name for field in dataclasses.fields(Translation)),
    "evaluation": ("n_best", "max_answer_length", "null_threshold", "floors", "random_init"),
    "tagging": ("first_token",),
    "retrieval": ("layer", "pooling", "sweep"),
    "bitext": ("threshold",),
    "store": ("damaged",),
    "study": ("name", "controls", "axis"),
    "recipe": ("name", "source", "sources", "intermediate", "target"),
    "target": ("name", "head", "metric", "train", "test", "candidates", "languages"),
    "benchmark": ("name", "groups", "qa", "more", "tasks"),
    "logger": ("kind", "project", "entity", "mode", "tags"),
}
PRETRAINING: Mapping[str, tuple[float, bool]] = {
    **dict.fromkeys(("steps", "batch_tokens", "max_sentences"), (1, True)),
    **dict.fromkeys(("warmup_ratio", "weight_decay", "mask_probability"), (0, False)),
    "max_length": (8, True),
    **dict.fromkeys(("learning_rate", "muon_learning_rate"), (0, False)),
}
"""Option of ``model.pretraining`` -> its least value and whether it is a whole number."""
HEADS = ("classification", "qa", "tagging", "choice", "retrieval", "bitext", "ranking")
PRECISIONS = ("auto", "32-true", "bf16-mixed", "bf16-true")


def _make(kind: type, option: str, values: Mapping[str, Any] | None) -> Any:
    values = dict(values or {})
    fields = {field.name for field in dataclasses.fields(kind)}
    for key in values:
        if key not in fields:
            raise unknown("option", f"{option}.{key}", [f"{option}.{name}" for name in fields])
    try:
        return kind(**values)
    except TypeError as error:
        raise StiltsError(f"{option} is incomplete: {error}.") from error


def _check(condition: bool, option: str, value: object, rule: str) -> None:
    if not condition:
        raise StiltsError(f"{option}={value} is refused: {rule}.")


def _number(option: str, value: object, least: float, strict: bool = False, optional: bool = False) -> None:
    if value is None and optional:
        return
    good = isinstance(value, int | float) and not isinstance(value, bool)
    good = good and math.isfinite(value) and (value > least if strict else value >= least)  # type: ignore
    _check(good, option, value, f"it must be a number {'above' if strict else 'of at least'} {least:g}")


def _whole(option: str, value: object, least: int, optional: bool = False) -> None:
    if value is None and optional:
        return
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    _check(good, option, value, f"it must be a whole number of at least {least}")


def _known(option: str, values: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuses keys that nothing reads; Hydra lets '+' add any."""
    known = [f"{option}.{name}" if option else name for name in names]
    for key in values:
        full = f"{option}.{key}" if option else str(key)
        if full not in known:
            raise unknown("option", full, known)


def _switch(option: str, value: object) -> bool:
    _check(isinstance(value, bool), option, value, "it must be true or false")
    return bool(value)


def make_recipe(option: str, phase: Mapping[str, Any], task: str) -> Recipe:
    """The recipe of one task: the phase's values under the task's own.

    Raises:
        StiltsError: For an unknown field or a value out of range.
    """
    values = {key: value for key, value in phase.items() if key != "tasks"}
    values.update((phase.get("tasks") or {}).get(task) or {})
    recipe: Recipe = _make(Recipe, option, values)
    for name in ("learning_rate", "epochs", "adam_epsilon", "max_grad_norm"):
        _number(f"{option}.{name}", getattr(recipe, name), 0, strict=True)
    for name in ("warmup_ratio", "weight_decay"):
        _number(f"{option}.{name}", getattr(recipe, name), 0)
    for name, least in (("batch_size", 1), ("dev_rows", 1), ("stride", 0), ("max_length", 8), ("max_query_length", 1)):
        _whole(f"{option}.{name}", getattr(recipe, name), least)
    for name, least in (("max_steps", 1), ("eval_every", 1), ("patience", 1), ("warmup_steps", 0)):
        _whole(f"{option}.{name}", getattr(recipe, name), least, optional=True)
    _check(recipe.warmup_ratio <= 1, f"{option}.warmup_ratio", recipe.warmup_ratio, "it is a share, at most 1")
    _number(f"{option}.dropout", recipe.dropout, 0, optional=True)
    _check(recipe.dropout is None or recipe.dropout < 1, f"{option}.dropout", recipe.dropout, "it must be below 1")
    if recipe.selection not in ("last", "best"):
        raise unknown(f"{option}.selection", recipe.selection, ("last", "best"))
    return recipe


def _volume(value: object) -> float | int | None:
    """A share below 1, a number of examples, or None for all."""
    if value is None or (isinstance(value, float) and value == 1):
        return None
    good = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    good = good and (isinstance(value, int) or value < 1)  # type: ignore[operator]
    _check(good, "volume", value, "take a share such as 0.1, a whole number of examples, or null for all")
    return value  # type: ignore[return-value]


def _sampling(values: Mapping[str, Any]) -> Sampling:
    sampling: Sampling = _make(Sampling, "sampling", values)
    if sampling.kind not in ("proportional", "temperature", "uniform"):
        raise unknown("sampling.kind", sampling.kind, ("proportional", "temperature", "uniform"))
    _number("sampling.temperature", sampling.temperature, 0, strict=True)
    _whole("sampling.cap", sampling.cap, 1, optional=True)
    return sampling


def _languages(option: str, value: object) -> object:
    """``available``, or a list of codes, each once."""
    if isinstance(value, str) and value != "available":
        value = [value]
    if isinstance(value, list | tuple):
        _check(bool(value), option, "[]", "name at least one language, or take available")
        return tuple(dict.fromkeys(str(language) for language in value))
    _check(value == "available", option, value, "take available, or a list such as [de,ru]")
    return value


def _mlm(values: Mapping[str, Any]) -> Mlm:
    mlm: Mlm = _make(Mlm, "mlm", {**values, "weight": values["weight"] or 0.0})
    _number("mlm.weight", mlm.weight, 0)
    _check(isinstance(mlm.source, str), "mlm.source", mlm.source, "take auto, wikipedia_mlm or a folder of text")
    _whole("mlm.batch_size", mlm.batch_size, 1, optional=True)
    _whole("mlm.max_length", mlm.max_length, 8, optional=True)
    _whole("mlm.max_texts", mlm.max_texts, 1)
    _number("mlm.mask_probability", mlm.mask_probability, 0, strict=True)
    _check(mlm.mask_probability < 1, "mlm.mask_probability", mlm.mask_probability, "it must be below 1")
    _number("mlm.exponent", mlm.exponent, 0)
    source, languages = os.path.expanduser(mlm.source), _languages("mlm.languages", mlm.languages)
    return dataclasses.replace(mlm, weight=float(mlm.weight), source=source, languages=languages)


def _translation(values: Mapping[str, Any], data: DataSpec) -> Translation:
    translation: Translation = _make(Translation, "translation", values)
    if translation.mode not in ("replace", "add"):
        raise unknown("translation.mode", translation.mode, ("replace", "add"))
    source, option = translation.source, "translation"
    if source is not None:
        _check(isinstance(source, str), option, source, "take a folder, owner/name on the hub, or synthetic")
        source = os.path.expanduser(source)
        folder = os.path.isdir(source)
        hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", source) is not None
        if data.kind == "synthetic":
            _check(folder or source == "synthetic", option, source, "with data=synthetic take synthetic or a folder")
        else:
            _check(source != "synthetic", option, source, "the synthetic world has no rows of real data sets")
            _check(folder or hub_id, option, source, "it is neither a folder nor a hub id such as owner/name")
        if not folder and source != "synthetic" and translation.languages == "available":
            raise StiltsError(
                f"translation={source} needs the languages to take from it, as in translation.languages=[de,ru]."
            )
    languages = _languages("translation.languages", translation.languages)
    return dataclasses.replace(translation, source=source, languages=languages)


def _pretraining(model: ModelSpec) -> ModelSpec:
    """The model with its pretraining checked; a budget of operations becomes the number of steps that it pays for."""
    if model.architecture is None:
        return model
    settings = dict(model.pretraining or {})
    _known("model.pretraining", settings, (*PRETRAINING, "flops"))
    flops = settings.pop("flops", None)
    for name, (least, whole) in PRETRAINING.items():
        _check(name in settings, f"model.pretraining.{name}", None, "an architecture is pretrained here and needs it")
        if whole:
            _whole(f"model.pretraining.{name}", settings[name], int(least))
        else:
            _number(f"model.pretraining.{name}", settings[name], least)
    if flops is not None:
        option, shape = "model.pretraining.flops", model.architecture
        _number(option, flops, 0, strict=True)
        for name in ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size"):
            _whole(f"model.architecture.{name}", shape.get(name), 1)  # what a step takes is counted from these
        settings["steps"] = steps_within(flops, shape, settings)
        least_flops = f"one step of {model.name} takes {step_flops(shape, settings):.3g} operations"
        _check(settings["steps"] >= 1, option, f"{flops:g}", least_flops)
    return dataclasses.replace(model, pretraining=settings)


def _trainer(values: Mapping[str, Any]) -> TrainerSpec:
    trainer: TrainerSpec = _make(TrainerSpec, "trainer", values)
    if trainer.accelerator not in ("auto", "cpu", "gpu"):
        raise unknown("trainer.accelerator", trainer.accelerator, ("auto", "cpu", "gpu"))
    if trainer.precision not in PRECISIONS:
        raise unknown("trainer.precision", trainer.precision, PRECISIONS)
    _check(trainer.devices == 1, "trainer.devices", trainer.devices, "a cell is one process on one device")
    _whole("trainer.micro_batch_tokens", trainer.micro_batch_tokens, 1)
    _whole("trainer.accumulation", trainer.accumulation, 1, optional=True)
    _whole("trainer.threads", trainer.threads, 1, optional=True)
    for name in ("gradient_checkpointing", "packing", "compact_embedding", "progress"):
        _switch(f"trainer.{name}", getattr(trainer, name))
    _number("trainer.checkpoint_seconds", trainer.checkpoint_seconds, 0)
    gpu = gpu_visible()
    accelerator = trainer.accelerator if trainer.accelerator != "auto" else ("gpu" if gpu else "cpu")
    if accelerator == "gpu" and not gpu:
        there = _ELSEWHERE.get()
        without = there[1] if there else "no CUDA device is visible here; take trainer=cpu or trainer=auto"
        raise StiltsError(f"trainer.accelerator=gpu, but {without}.")
    precision = (
        trainer.precision if trainer.precision != "auto" else ("bf16-mixed" if accelerator == "gpu" else "32-true")
    )
    return dataclasses.replace(trainer, accelerator=accelerator, precision=precision)


_ELSEWHERE: ContextVar[tuple[bool, str] | None] = ContextVar("elsewhere", default=None)


@contextmanager
def elsewhere(gpu: bool, without: str = "") -> Iterator[None]:
    """Checks cells for another machine than this one while the block runs.

    Args:
        gpu: Whether there is a GPU for each stage.
        without: Why there is none, and what to do, as half a sentence.
    """
    token = _ELSEWHERE.set((gpu, without))
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def gpu_visible() -> bool:
    """Whether a CUDA device is visible, found without importing torch (which takes seconds)."""
    there = _ELSEWHERE.get()
    if there is not None:
        return there[0]
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    return hidden not in ("", "-1") and os.path.exists("/dev/nvidiactl")


def make_cell(cfg: Mapping[str, Any]) -> Cell:
    """Turns a composed configuration into a checked cell.

    Args:
        cfg: The configuration as plain containers (``OmegaConf.to_container(cfg, resolve=True)``).

    Returns:
        The cell; intermediate tasks sorted by name, so that their order on the command line does not matter.

    Raises:
        StiltsError: One sentence naming the option, the value and the choices.
    """
    _known("", cfg, OPTIONS)
    for group, names in GROUPS.items():
        _known(group, cfg.get(group) or {}, names)
    data: DataSpec = _make(DataSpec, "data", cfg["data"])
    if data.kind not in ("synthetic", "hub"):
        raise unknown("data.kind", data.kind, ("synthetic", "hub"))
    if data.bad_rows not in ("skip", "refuse"):
        raise unknown("data.bad_rows", data.bad_rows, ("skip", "refuse"))
    if data.root is not None and not os.path.isdir(data.root):
        raise StiltsError(f"data.root={data.root} is not a folder; it must hold data sets as <owner>/<name>/....")
    model = resolve(_make(ModelSpec, "model", cfg["model"]), data)
    if model.weights not in ("pretrained", "random"):
        raise unknown("model.weights", model.weights, ("pretrained", "random"))
    if model.path is not None and not os.path.isfile(os.path.join(model.path, "config.json")):
        raise StiltsError(f"model={model.path} is not a saved encoder: there is no config.json in it.")
    _check(
        sum(value is not None for value in (model.id, model.path, model.architecture)) == 1,
        "model",
        model.name,
        "it needs exactly one of a hub id, a folder or an architecture",
    )
    model = _pretraining(model)
    brought = mirror.encoder(data.root, model.id, model.revision) if data.root and model.id else None
    if brought:
        model = dataclasses.replace(model, path=brought[0], revision=brought[1])
    composed = {name: spec_from_mapping(values) for name, values in (cfg.get("dataset") or {}).items()}

    def dataset(name: str) -> DatasetSpec:
        return composed[name] if name in composed else load_spec(name)

    recipe = cfg["recipe"]
    chosen = cfg.get("intermediate") or {}
    for group, own in (("intermediate", chosen), ("target", [(cfg.get("target") or {}).get("name")])):
        for name in recipe[group].get("tasks") or {}:
            if name not in own and name not in task_names(group):
                raise unknown(f"task of recipe.{group}.tasks", name, task_names(group))
    tasks = []
    for name, task in sorted(chosen.items()):
        if task["head"] not in HEADS:
            raise unknown(f"intermediate.{name}.head", task["head"], HEADS)
        _check(
            task["head"] != "ranking" or len(chosen) == 1,
            f"intermediate.{name}.head",
            "ranking",
            "its loss is one of a whole step, so it is trained alone, not jointly with other tasks",
        )
        phase = make_recipe("recipe.intermediate", recipe["intermediate"], name)
        if len(chosen) > 1:  # one optimiser serves all heads: its settings are the phase's own, not a task's
            common = make_recipe("recipe.intermediate", recipe["intermediate"], "")
            phase = dataclasses.replace(phase, **{field: getattr(common, field) for field in OPTIMISER_FIELDS})
        specs = tuple(dataset(d) for d in task["datasets"])
        tasks.append(TrainTask(task["head"], task["metric"], specs, phase, task.get("substitute_for")))
    for name, task in chosen.items():
        _known(f"intermediate.{name}", task, ("head", "metric", "datasets", "substitute_for"))
        if task["metric"] not in METRICS:
            raise unknown(f"intermediate.{name}.metric", task["metric"], METRICS)
    target = None
    if cfg.get("target"):
        raw = cfg["target"]
        if raw["head"] not in HEADS:
            raise unknown("target.head", raw["head"], HEADS)
        if raw["metric"] not in METRICS:
            raise unknown("target.metric", raw["metric"], METRICS)
        phase = make_recipe("recipe.target", recipe["target"], raw["name"])
        train = tuple(TrainTask(raw["head"], raw["metric"], (dataset(name),), phase) for name in raw["train"])
        languages = (*raw["languages"], *cfg["benchmark"]["more"].get(raw["name"], ()))
        candidates = dataset(raw["candidates"]) if raw.get("candidates") else None
        if (candidates is not None) != (raw["head"] == "ranking"):
            raise StiltsError(
                f"target.candidates={raw.get('candidates')} does not fit target.head={raw['head']}: a ranking, and "
                "nothing else, needs the name of a data set to choose from."
            )
        test = dataset(raw["test"])
        target = Target(raw["name"], raw["head"], raw["metric"], train, test, languages, phase, candidates)
    if target is None and not tasks:
        raise StiltsError("Nothing to do: give +target=TASK, +intermediate=TASK or both (--help lists the choices).")
    mlm = _mlm(cfg["mlm"])
    if mlm.weight and tasks:  # what it does not say of itself is the phase's own, not a task's
        common = make_recipe("recipe.intermediate", recipe["intermediate"], "")
        batch, length = mlm.batch_size or common.batch_size, mlm.max_length or common.max_length
        mlm = dataclasses.replace(mlm, batch_size=batch, max_length=length)
    seed = cfg["seed"]
    _whole("seed", seed, 0)
    if cfg["volume_steps"] not in ("own", "whole"):
        raise unknown("volume_steps", cfg["volume_steps"], ("own", "whole"))
    axis = (cfg.get("study") or {}).get("axis")
    if axis not in (None, "size", "volume"):
        raise unknown("study.axis", axis, ("size", "volume"))
    on_damage = cfg["store"]["damaged"]
    if on_damage not in ("refuse", "retrain"):
        raise unknown("store.damaged", on_damage, ("refuse", "retrain"))
    for name, choices in (("tagging.first_token", ("any", "content")), ("retrieval.pooling", ("mean", "cls"))):
        group, key = name.split(".")
        if cfg[group][key] not in choices:
            raise unknown(name, cfg[group][key], choices)
    _whole("retrieval.layer", cfg["retrieval"]["layer"], 0, optional=True)
    if cfg["retrieval"]["sweep"] not in (None, "layers"):
        raise unknown("retrieval.sweep", cfg["retrieval"]["sweep"], ("null", "layers"))
    threshold = cfg["bitext"]["threshold"]
    if threshold not in ("dev", "test"):
        _check(
            isinstance(threshold, int | float) and not isinstance(threshold, bool),
            "bitext.threshold",
            threshold,
            "take dev, test or a number",
        )
    for name in ("n_best", "max_answer_length"):
        _whole(f"evaluation.{name}", cfg["evaluation"][name], 1)
    _number("evaluation.null_threshold", cfg["evaluation"]["null_threshold"], -math.inf)
    evaluation = dict(cfg["evaluation"])
    _switch("evaluation.floors", evaluation["floors"])
    if evaluation["random_init"] == "auto":
        evaluation["random_init"] = data.kind == "synthetic" and evaluation["floors"]
    _switch("evaluation.random_init", evaluation["random_init"])
    return Cell(
        model=model,
        data=data,
        intermediate=tuple(sorted(chosen)),
        intermediate_tasks=tuple(tasks),
        target=target,
        trainer=_trainer(cfg["trainer"]),
        logger=dict(cfg["logger"]),
        evaluation=evaluation,
        tagging=dict(cfg["tagging"]),
        retrieval=dict(cfg["retrieval"]),
        bitext=dict(cfg["bitext"]),
        seed=seed,
        volume=_volume(cfg["volume"]),
        volume_steps=str(cfg["volume_steps"]),
        sampling=_sampling(cfg["sampling"]),
        mlm=mlm,
        translation=_translation(cfg["translation"], data),
        languages=cfg["languages"],
        baseline=_switch("baseline", cfg["baseline"]),
        output=str(cfg["output"]),
        on_damage=on_damage,
        recipe_name=str(recipe["name"]),
    )
