"""Makes one encoder of several that were trained apart."""

from __future__ import annotations

from typing import Any

from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Merged
from stilts_xtreme.models import merged_weights
from stilts_xtreme.models.encoder import load
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.checkpoint import lineage, model_folder, save
from stilts_xtreme.training.about import about_merged
from stilts_xtreme.training.parents import FolderOf, pretrained_source

NAME = "encoder"
"""The folder of the merged encoder among the models of its stage."""
HEADLESS = "retrieval"
"""The format whose model is an encoder without a head."""


def merge(cell: Cell, stage: Merged, folder_of: FolderOf, scratch: Any) -> dict[str, Any]:
    """Merges the encoders of trainings and saves the result, which has no head.

    Args:
        cell: The cell that needs it.
        stage: The stage.
        folder_of: Gives the folders of the trainings.
        scratch: The folder to fill.

    Returns:
        Facts for the manifest: ``merged``, the labels of the trainings, and ``how``.
    """
    source = pretrained_source(stage, folder_of)
    encoder = load(source, packed=cell.trainer.packing)
    prefix = f"{encoder.base.base_model_prefix}."
    trained = [merged_weights.saved(model_folder(folder_of(part.key)), prefix) for part in stage.merged]
    start = dict(encoder.base.state_dict())
    if encoder.pooler is not None:  # it came with the pretrained encoder, and every training kept it
        start |= {f"pooler.{name}": value for name, value in encoder.pooler.state_dict().items()}
    found = merged_weights.merge(start, trained, stage.how)
    if encoder.pooler is not None:
        own = {name: found.pop(f"pooler.{name}") for name in encoder.pooler.state_dict()}
        encoder.pooler.load_state_dict(own)
    encoder.base.load_state_dict(found)
    format = format_of(HEADLESS)
    options = format.head_options(cell, stage.tasks[0].recipe, "")
    module = format.module()(encoder, (), options)
    save(scratch, encoder, {NAME: module}, load_tokenizer(source), lineage(cell, stage), about_merged(cell, stage))
    return {"merged": [part.label for part in stage.merged], "how": stage.how.identity()}
