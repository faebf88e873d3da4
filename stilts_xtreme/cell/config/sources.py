"""Checked options of what a cell starts from: data and encoder."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from stilts_xtreme.core.checks import check, choice, cuttable, known, make, number, own_layers, refused, whole
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.manifest import refuse_removed
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.core.specs import ModelSpec
from stilts_xtreme.data.corpus import world_key
from stilts_xtreme.data.hub import mirror
from stilts_xtreme.data.sources import KINDS
from stilts_xtreme.models.flops import step_flops, steps_within
from stilts_xtreme.models.shipped import resolve
from stilts_xtreme.models.trained_languages import KNOWN

PRETRAINING: Mapping[str, tuple[float, bool]] = {
    **dict.fromkeys(("steps", "batch_tokens", "max_sentences"), (1, True)),
    **dict.fromkeys(("warmup_ratio", "weight_decay", "mask_probability"), (0, False)),
    "max_length": (8, True),
    **dict.fromkeys(("learning_rate", "muon_learning_rate"), (0, False)),
}
"""Option of ``model.pretraining`` -> its least value and whether it is a whole number."""


def make_data(values: Mapping[str, Any]) -> DataSpec:
    """Where rows come from.

    Raises:
        StiltsError: For an unknown field or choice, or a root that is no folder.
    """
    data = make(DataSpec, "data", values)
    choice("data.kind", data.kind, KINDS)
    choice("data.bad_rows", data.bad_rows, ("skip", "refuse"))
    if data.root is None:
        return data
    root = str(home(str(data.root)))
    if not os.path.isdir(root):
        raise StiltsError(f"data.root={data.root} is not a folder; it must hold data sets as <owner>/<name>/....")
    return dataclasses.replace(data, root=root)


def make_model(values: Mapping[str, Any], data: DataSpec, own_text: bool) -> ModelSpec:
    """The encoder, with the folder of a shipped one, or of one that is in ``model.root`` or ``data.root``.

    Args:
        values: Its options.
        data: The ``data`` group.
        own_text: Whether the cell's data sets have text of their own to pretrain on, not the synthetic world's.

    Raises:
        StiltsError: For an unknown field or choice, a folder without an encoder, or an architecture whose pretraining
            is not described.
    """
    model = make(ModelSpec, "model", values)
    if model.path is not None:
        path = str(home(str(model.path)))
        if not os.path.isfile(os.path.join(path, "config.json")):
            raise StiltsError(f"model={model.path} is not a saved encoder: there is no config.json in it.")
        refuse_removed(Path(path).resolve().parents[1])  # of a stage: models/NAME
        model = dataclasses.replace(model, path=path)
    if model.name is None and (model.path or model.id):  # one of several in a sweep
        model = dataclasses.replace(model, name=Path(model.path or str(model.id)).resolve().name)
    of_world = model.corpus == "synthetic" or (model.corpus in (None, "auto") and not own_text)
    shipped = of_world and model.shipped is not None and model.languages is None  # it has read all languages
    model = resolve(model, world_key(data) if shipped else None)
    choice("model.weights", model.weights, ("pretrained", "random"))
    one = sum(value is not None for value in (model.id, model.path, model.architecture)) == 1
    check(one, "model", model.name, "it needs exactly one of a hub id, a folder or an architecture")
    model = _with_pretraining(model)
    model = dataclasses.replace(_placed(model, data), languages=_languages(model.languages))
    return model if model.layers is None else _cut(model)


def _languages(asked: Any) -> tuple[str, ...] | None:
    """The languages that an encoder was pretrained on: a list, or the name of one."""
    if isinstance(asked, str):
        choice("model.languages", asked, KNOWN)
        return KNOWN[asked]
    listed = isinstance(asked, list | tuple) and bool(asked) and all(isinstance(one, str) for one in asked)
    check(
        asked is None or listed,
        "model.languages",
        asked,
        f"it must be null, a list of codes, or one of {', '.join(KNOWN)}",
    )
    return None if asked is None else tuple(dict.fromkeys(asked))


def _placed(model: ModelSpec, data: DataSpec) -> ModelSpec:
    """An encoder with an id, with the folder that it is in: below ``model.root``, or brought into ``data.root``.

    What :mod:`stilts_xtreme.commands.fetch` has brought is known by id and commit. Any other folder is known by its
    files, as one that ``model.path`` names: nobody has compared it with the hub's.
    """
    if model.id is None or model.path is not None:
        return model
    brought = None
    if model.root is not None:
        root = str(home(str(model.root)))
        check(os.path.isdir(root), "model.root", model.root, "it is not a folder; it must hold encoders as OWNER/NAME")
        brought = mirror.encoder(root, model.id, model.revision)
        folder = os.path.join(root, model.id)
        if brought is None and os.path.isfile(os.path.join(folder, "config.json")):
            return dataclasses.replace(model, id=None, revision=None, path=folder)
    brought = brought or (mirror.encoder(data.root, model.id, model.revision) if data.root else None)
    return dataclasses.replace(model, path=brought[0], revision=brought[1]) if brought else model


def _cut(model: ModelSpec) -> ModelSpec:
    """An encoder of which some layers are kept; the layer for retrieval that was chosen for all of them is not."""
    whole("model.layers", model.layers, 1)
    assert model.layers is not None
    if model.architecture is not None:
        how = f"{model.name} is pretrained here; set model.architecture.num_hidden_layers={model.layers} instead"
        raise refused("model.layers", model.layers, how)
    own_layers("model.layers", model.layers, kind_of(model), "null")
    if (depth := depth_of(model)) is not None:
        cuttable("model.layers", model.layers, depth, str(model.path))
    return dataclasses.replace(model, retrieval_layer=None)


def layers_of(model: ModelSpec) -> int | None:
    """How many layers of the encoder are used, where that is known before it is loaded."""
    return depth_of(model) if model.layers is None else model.layers


def depth_of(model: ModelSpec) -> int | None:
    """How many layers the encoder has, where that is known before it is loaded."""
    found = _shape(model).get("num_hidden_layers")
    return found if isinstance(found, int) else None


def kind_of(model: ModelSpec) -> str:
    """The encoder's model type, where that is known before it is loaded; else nothing."""
    return str(_shape(model).get("model_type", ""))


def _shape(model: ModelSpec) -> Mapping[str, Any]:
    shape: Any = model.architecture
    if model.path is not None:
        with suppress(OSError, ValueError):  # what is damaged is refused where it is loaded
            shape = json.loads(Path(model.path, "config.json").read_text(encoding="utf-8"))
    return shape if isinstance(shape, Mapping) else {}


def _with_pretraining(model: ModelSpec) -> ModelSpec:
    """The model with its pretraining checked; a budget of operations becomes the number of steps that it pays for."""
    if model.architecture is None:
        return model
    settings = dict(model.pretraining or {})
    known("model.pretraining", settings, (*PRETRAINING, "flops"))
    flops = settings.pop("flops", None)
    for name, (least, is_whole) in PRETRAINING.items():
        check(name in settings, f"model.pretraining.{name}", None, "an architecture is pretrained here and needs it")
        if is_whole:
            whole(f"model.pretraining.{name}", settings[name], int(least))
        else:
            number(f"model.pretraining.{name}", settings[name], least)
    if flops is not None:
        option, shape = "model.pretraining.flops", model.architecture
        number(option, flops, 0, strict=True)
        for name in ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size"):
            whole(f"model.architecture.{name}", shape.get(name), 1)  # what a step takes is counted from these
        settings["steps"] = steps_within(flops, shape, settings)
        least_flops = f"one step of {model.name} takes {step_flops(shape, settings):.3g} operations"
        check(settings["steps"] >= 1, option, f"{flops:g}", least_flops)
    return dataclasses.replace(model, pretraining=settings)
