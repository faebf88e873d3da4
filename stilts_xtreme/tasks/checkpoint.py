"""Trained models on disk: plain ``save_pretrained`` folders that ``AutoModelFor...`` and ``pipeline()`` load.

A stage holds ``models/<task>/`` for each of its heads. The encoder of a joint training is written once, as a weight
shard of its own that the task folders share as hard links.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from stilts_xtreme.core.inputs import Origin
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Merged, Pretraining, Selected, Trained, Training
from stilts_xtreme.models.encoder import Encoder, Source
from stilts_xtreme.models.hf_heads import assemble
from stilts_xtreme.tasks.card import About, card
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.tasks.saved import Told

ENCODER_SHARD = "model-00001-of-00002.safetensors"
HEAD_SHARD = "model-00002-of-00002.safetensors"


def model_folder(stage: Path, name: str | None = None) -> Path:
    """The folder of a stage's model: of the named head, else any (they share the encoder)."""
    if name is not None:
        return stage / "models" / name
    return sorted(entry for entry in (stage / "models").iterdir() if entry.is_dir())[0]


def save(
    stage: Path,
    encoder: Encoder,
    heads: Mapping[str, HeadModule],
    tokenizer: Any,
    lineage: Sequence[Mapping[str, Any]],
    about: About | None = None,
) -> None:
    """Writes every head with the encoder as a folder of its own.

    Args:
        stage: The stage's folder; ``models/`` is made in it.
        encoder: The shared encoder.
        heads: Task name -> its module.
        tokenizer: Saved beside each model.
        lineage: What the encoder went through, from pretraining to this stage; kept in ``config.json`` and the card.
        about: What the training was, for the cards; None: nothing is known of it.
    """
    about = about or About()
    shared: Path | None = None
    for name, module in heads.items():
        folder = stage / "models" / name
        folder.mkdir(parents=True)
        whole = encoder.base if module.head is None else assemble(encoder, module.head)
        config = type(whole.config).from_dict(whole.config.to_dict())
        config.architectures = [type(whole).__name__]
        config.dtype = "float32"
        for option, value in encoder.replaced.items():  # a recipe's dropout ends with its stage
            setattr(config, option, value)
        # a pooler that came with the encoder goes on with it, one that a head brought is the head's alone
        brought = module.head is not None and module.head.plug.pooler is not None
        pooler = "head" if brought and encoder.pooler is None else None
        told = Told.of(module, about.heads[name].datasets if name in about.heads else (), about.precision)
        config.stilts_xtreme = {
            "task": name,
            "pooler": pooler,
            "lineage": [dict(step) for step in lineage],
            **told.plain(),
        }
        config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        inside, outside = _split(whole)
        if encoder.pooler is not None:  # also where the head does not use it: the next one may
            prefix = f"{whole.base_model_prefix}.pooler."
            outside.update({f"{prefix}{key}": _plain(value) for key, value in encoder.pooler.state_dict().items()})
        if shared is None:
            save_file(inside, folder / ENCODER_SHARD, metadata={"format": "pt"})
            shared = folder / ENCODER_SHARD
        else:
            _link(shared, folder / ENCODER_SHARD)
        if outside:
            save_file(outside, folder / HEAD_SHARD, metadata={"format": "pt"})
        index = {
            "metadata": {
                "total_size": sum(t.numel() * t.element_size() for t in (*inside.values(), *outside.values()))
            },
            "weight_map": {**dict.fromkeys(inside, ENCODER_SHARD), **dict.fromkeys(outside, HEAD_SHARD)},
        }
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
        kind, longest = encoder.config.model_type, module.options.max_length
        text = card(name, module.format, module.labels, kind, lineage, about, longest, module.head is None)
        (folder / "README.md").write_text(text, encoding="utf-8")


def _link(source: Path, destination: Path) -> None:
    try:
        os.link(source, destination)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, destination)


def _split(whole: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    prefix = f"{whole.base_model_prefix}."
    tied = set(getattr(whole, "all_tied_weights_keys", None) or {}) if whole.config.tie_word_embeddings else set()
    inside: dict[str, torch.Tensor] = {}
    outside: dict[str, torch.Tensor] = {}
    for name, value in whole.state_dict().items():
        if name in tied:
            continue
        if whole.base_model is whole:  # an encoder without a head
            name = prefix + name
        # a pooler may be one head's own, so it is not in the shard that the heads share
        (inside if name.startswith(prefix) and not name.startswith(f"{prefix}pooler.") else outside)[name] = _plain(
            value
        )
    return inside, outside


def _plain(value: torch.Tensor) -> torch.Tensor:
    return value.detach().float().cpu().contiguous() if value.is_floating_point() else value.detach().cpu()


def lineage(cell: Cell, stage: Pretraining | Trained) -> list[dict[str, Any]]:
    """What an encoder went through, one entry per training, the first one first.

    Args:
        cell: A cell that needs the stage, for the names of its recipe and of where its data come from.
        stage: The stage that the encoder comes out of.
    """
    steps: list[dict[str, Any]] = []
    synthetic = cell.synthetic
    suffix = ", synthetic data" if synthetic else ""
    chain = stage.chain()
    beside = {other.key for merged in chain if isinstance(merged, Merged) for other in merged.merged[1:]}
    for ancestor in chain:
        if isinstance(ancestor, Pretraining):
            what = f"pretrained by masked language modelling: {ancestor.label}"
        elif isinstance(ancestor, Training):
            if ancestor.origin is not None and not steps:
                steps.append(_origin(ancestor.origin, stage.from_fresh_weights()))
            what = _trained(ancestor, cell.recipe_name)
            if ancestor.key in beside:
                what = f"apart from that, the pretrained encoder {what}"
        elif isinstance(ancestor, Selected):
            what = f"weights chosen by the rule {ancestor.rule} among those of the evaluation points"
        elif isinstance(ancestor, Merged):
            how = ", ".join([ancestor.how.method, *(f"{name} {x:g}" for name, x in ancestor.how.numbers.items())])
            what = f"the encoders of {len(ancestor.merged)} trainings merged ({how})"
        else:
            continue
        steps.append({"key": ancestor.key, "synthetic": synthetic, "what": what + suffix})
    return steps


def _origin(origin: Origin, fresh_weights: bool) -> dict[str, Any]:
    place = origin.id or Path(str(origin.path)).name
    if origin.layers is not None:
        place += f", its lowest {origin.layers} layers"
    if fresh_weights:
        place += ", its weights drawn anew"
    return {"what": f"pretrained: {place}", "revision": origin.revision, "synthetic": origin.shipped}


def _trained(stage: Training, recipe: str) -> str:
    names = " and ".join(task.name for task in stage.tasks)
    what = f"trained on {names} (seed {stage.seed}, recipe {recipe})"
    if stage.mlm is not None:
        what += f" with masked language modelling in {len(stage.mlm.languages)} languages"
    if stage.translated is not None:
        what += f", {stage.translated.options.words} rows"
    if stage.longer is not None:
        what += f", for as many more steps as {stage.longer.label} takes"
    if stage.placebo:
        what += ": a placebo, whose rows had the answers of other rows"
    return what


def source_of(stage: Path | None, hub: Source | None, name: str | None = None) -> Source:
    """Where to load an encoder from: a finished stage, or a model from outside."""
    if stage is not None:
        return Source(str(model_folder(stage, name)))
    assert hub is not None
    return hub
