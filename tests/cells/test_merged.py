"""Intermediate encoders that are trained apart and merged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from safetensors.torch import load_file
from support.cells import TINY, cell_of
from transformers import AutoModel

from stilts_xtreme.cell.identity import identity_of
from stilts_xtreme.cell.manifests import parents_of
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.report.labels import row_name
from stilts_xtreme.sweep.needs import needed

BOTH = "+intermediate=[mnli,squad_v1]"


def keys(*arguments: str) -> dict[str, str]:
    return {stage.label: stage.key for stage in plan(cell_of(*TINY, *arguments)).stages()}


@pytest.mark.parametrize(
    "more", [(), ("control=placebo",), ("volume=0.5",), ("recipe.intermediate.selection=average",)]
)
def test_what_is_merged_is_what_cells_of_single_tasks_train(more: tuple[str, ...]) -> None:
    found = keys(BOTH, "+target=udpos", "merge=mean", *more)
    for name in ("mnli", "squad_v1"):
        alone = keys(f"+intermediate={name}", "+target=udpos", *more)
        before = next(label for label in alone if label in (name, f"placebo({name})", f"{name} [average]"))
        assert found[before] == alone[before]
        assert {stage for stage in alone if stage.startswith("none > ")} <= set(found)


def test_one_task_or_none_is_not_merged() -> None:
    for arguments in (("+target=udpos",), ("+intermediate=mnli", "+target=udpos")):
        assert keys(*arguments, "merge=ties") == keys(*arguments)


def test_cells_of_several_seeds_are_one_experiment_and_of_several_methods_are_not() -> None:
    def before(*more: str) -> Any:
        return identity_of(plan(cell_of(*TINY, BOTH, "+target=udpos", *more)))["before"]

    assert before("merge=mean") == before("merge=mean", "seed=1")
    several = [(), ("merge=mean",), ("merge=ties",), ("merge=ties", "merge.density=0.5")]
    assert len({before(*more) for more in several}) == len(several)


def test_a_merged_encoder_is_the_mean_of_the_trained_ones(run_tiny: Any) -> None:
    result = run_tiny(BOTH, "+target=udpos", "merge=mean", "evaluation.rules=[last,average]")
    stages = {stage["label"]: stage["key"] for stage in result["stages"]}
    root = run_tiny.output / "stages"
    shards = [
        load_file(root / stages[label] / "models" / label / "model-00001-of-00002.safetensors")
        for label in ("mnli", "squad_v1")
    ]
    folder = root / stages["mean(mnli+squad_v1)"] / "models" / "encoder"
    found = load_file(folder / "model-00001-of-00002.safetensors")
    moved = 0
    for name, value in found.items():
        one, other = (shard[name].double() for shard in shards)
        assert (value.double() - (one + other) / 2).abs().max() < 1e-6, name
        moved += int((one != other).any())
    assert moved > 5, "the two trainings differ"
    model, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert not [name for name in report["missing_keys"] if "pooler" not in name]
    assert model.config.stilts_xtreme["lineage"][-1]["what"].startswith("the encoders of 2 trainings merged (mean)")
    assert result["merge"] == "mean"
    assert row_name(result) == "mean(mnli+squad_v1)"
    assert result["scale"]["intermediate"]["examples"] == 2 * 60
    manifest = json.loads((root / stages["mean(mnli+squad_v1)"] / "manifest.json").read_text())
    assert set(manifest["parents"]) == {stages["mnli"], stages["squad_v1"]}
    card = (run_tiny.output / "cells" / result["cell"] / "model_card.md").read_text()
    assert "'+intermediate=[mnli,squad_v1]'" in card
    assert "merge=mean" in card


def test_nothing_that_was_merged_is_taken_for_unneeded(run_tiny: Any) -> None:
    """Also where the manifest of the merged encoder is all that tells what it was made from."""
    result = run_tiny(BOTH, "+target=tatoeba", "merge=task_arithmetic")
    store, stages = Store(run_tiny.output), {stage["label"]: stage["key"] for stage in result["stages"]}
    assert set(stages.values()) <= set(needed(store).users)
    merged = store.manifest(stages["task_arithmetic(mnli+squad_v1)"])
    assert set(parents_of(merged)) == {stages["mnli"], stages["squad_v1"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("merge=sum",), r"merge=sum is not known; choose one of: mean, task_arithmetic, ties"),
        (("merge.scale=0.5",), r"merge\.scale=0\.5.*needs a method"),
        (
            ("merge=mean", "merge.scale=0.5"),
            r"merge\.scale=0\.5.*mean does not use it; task_arithmetic and ties do",
        ),
        (("merge=task_arithmetic", "merge.density=0.5"), r"merge\.density=0\.5.*ties do"),
        (("merge=ties", "merge.density=1.5"), r"merge\.density=1\.5.*at most 1"),
        (("merge=ties", "merge.density=0"), r"merge\.density=0"),
        (("merge=ties", "control=steps"), r"control=steps.*control=placebo"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(StiltsError, match=said):
        cell_of(*TINY, BOTH, "+target=udpos", *arguments)
