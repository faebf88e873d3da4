"""Comparisons by size and by volume: operations by brute force, budgets, curves by hand."""

from __future__ import annotations

import csv
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cells import TINY, cell_of, composed
from support.encoders import SHAPE, unigram
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core import compose
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models import flops
from stilts_xtreme.models.batch import Batch
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.report import families, points, scaling
from stilts_xtreme.sweep import planning
from stilts_xtreme.sweep.composer import jobs_of
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.options import HeadOptions

MODEL = ("+target=tatoeba", "model=mini_s")


# --- operations and budgets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [1.0, 0.3])
def test_operations_are_those_of_a_step_of_pretraining(probability: float) -> None:
    """What torch counts in the matrix products of weights, forward and backward, masked tokens as they were drawn."""
    tokenizer = unigram()
    config = AutoConfig.for_model("xlm-roberta", **SHAPE, vocab_size=len(tokenizer), type_vocab_size=1)
    base = AutoModel.from_config(config)
    base.pooler = None
    module = MLMModule(Encoder(base, None), tokenizer, HeadOptions(max_length=64), probability)
    masked = []
    assert module.head is not None
    module.head.register_forward_pre_hook(lambda _, inputs: masked.append(inputs[0].shape[1]))
    torch.manual_seed(0)
    ids = torch.randint(10, len(tokenizer), (3 * 20,))
    with FlopCounterMode(display=False) as counter:
        module.loss(Batch(ids, torch.full((3,), 20), torch.ones(3, dtype=torch.long))).backward()
    counts = counter.get_flop_counts()["Global"]
    products = sum(count for kind, count in counts.items() if str(kind) in ("aten.mm", "aten.addmm"))
    share = masked[0] / len(ids)
    assert products == pytest.approx(flops.flops_per_token(config.to_dict(), share) * len(ids), rel=1e-12)
    assert share == 1.0 if probability == 1.0 else 0.1 < share < 0.5


@settings(max_examples=500)
@given(st.integers(1, 10**7), st.floats(0.0, 0.99), st.integers(1, 999))
def test_a_budget_pays_for_whole_steps(steps: int, more: float, masked: int) -> None:
    options, shape = {"mask_probability": masked / 1000, "batch_tokens": 900}, {"hidden_size": 97, "vocab_size": 9999}
    cost = flops.step_flops(shape, options)
    assert flops.steps_within(steps * cost, shape, options) == steps
    assert flops.steps_within((steps + more) * cost, shape, options) == steps


def test_steps_by_number_and_by_budget_are_one_stage() -> None:
    by_budget = cell_of(*MODEL, "model.pretraining.flops=1e12")
    # by hand: 6 x (2 layers x (4 x 64 x 64 + 2 x 64 x 256) + 0.2 x (64 x 64 + 10000 x 64)) x 900 tokens
    steps = int(1e12 // (6 * (2 * (4 * 64**2 + 2 * 64 * 256) + 0.2 * (64**2 + 10000 * 64)) * 900))
    by_number = cell_of(*MODEL, f"model.pretraining.steps={steps}")
    assert plan(by_budget).stages()[0].key == plan(by_number).stages()[0].key
    assert plan(by_budget).stages()[0].rows == {"steps": steps}
    assert plan(by_budget).stages()[0].key != plan(cell_of(*MODEL)).stages()[0].key


def test_keys_are_those_of_before_where_there_is_no_budget() -> None:
    stage = plan(cell_of(*MODEL)).stages()[0]
    assert "flops" not in stage.settings
    before = composed(*MODEL)
    del before["model"]["pretraining"]["flops"]
    assert stage.key == plan(make_cell(before)).stages()[0].key


def test_a_budget_asks_for_pretraining_here() -> None:
    assert cell_of("+target=tatoeba").model.path
    assert plan(cell_of("+target=tatoeba", "model.pretraining.flops=1e12")).stages()[0].kind == "pretrain"


def cells_of(*arguments: str) -> list[planning.PlannedCell]:
    def work() -> list[planning.PlannedCell]:
        jobs, composer = jobs_of(compose.prepare(arguments))
        found = list(planning.cells(jobs, composer.plain))
        assert all(isinstance(entry, planning.PlannedCell) for entry in found)
        return found  # type: ignore[return-value]

    return compose.with_hydra(work)


def test_sizes_are_pretrained_alike_or_at_one_cost() -> None:
    found = cells_of("+study=sizes", "model.pretraining.flops=null,1e13", "+target=xnli", "+intermediate=mnli")
    assert len(found) == 8
    pretrained = {entry.planned.stages()[0].key: entry.cell for entry in found}
    assert len(pretrained) == 8, "mini as well is pretrained here"
    steps: dict[str, set[int]] = {}
    for cell in pretrained.values():
        assert cell.model.pretraining
        assert cell.model.architecture
        steps.setdefault(cell.model.name, set()).add(cell.model.pretraining["steps"])
        cost = cell.model.pretraining["steps"] * flops.step_flops(cell.model.architecture, cell.model.pretraining)
        assert cell.model.pretraining["steps"] == 3600 or 0.99e13 < cost <= 1e13
    assert {name: 3600 in counts for name, counts in steps.items()} == dict.fromkeys(steps, True)
    assert min(steps["mini_xs"]) == 3600
    assert max(steps["mini_l"]) == 3600
    alike = cells_of("+study=sizes", "+target=xnli", "+intermediate=mnli")
    assert {entry.planned.stages()[0].key for entry in alike} < set(pretrained)
    assert len(alike) == 4


def test_an_unknown_axis_names_the_choices() -> None:
    with pytest.raises(StiltsError, match=r"study\.axis=sise is not known \(did you mean 'size'\?\).*size, volume"):
        cell_of(*MODEL, "+study.axis=sise")


def test_steps_of_a_volume() -> None:
    """They are part of a key where there is less than the whole, and nowhere else."""

    def keys(*more: str) -> str:
        return plan(cell_of("+intermediate=mnli", *more)).final.key

    assert keys() == keys("volume_steps=whole") == keys("volume=1.0", "volume_steps=whole")
    assert keys("volume=0.5") == keys("volume=0.5", "volume_steps=own") != keys("volume=0.5", "volume_steps=whole")


# --- curves -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 4)), min_size=1, max_size=6))
def test_groups_agree_and_are_as_large_as_they_can_be(drawn: list[tuple[int, int]]) -> None:
    ranges = [(low, low + width) for low, width in drawn]
    at = [{i for i, (low, high) in enumerate(ranges) if low <= v < high or low == v} for v in range(20)]
    expected = {frozenset(s) for s in at if s and not any(s < other for other in at)}
    assert {frozenset(group) for group in families.agreeing(ranges)} == expected


SIZES = {"mini_xs": (350_000, 1e9), "mini_s": (740_000, 2e9), "mini_l": (5_900_000, 10e9)}
"""Encoder -> parameters, operations of a step."""


def result(
    intermediate: list[str], target: str, seed: int, before: float, gain: float, scaled: dict[str, Any], **more: Any
) -> dict[str, Any]:
    name = f"{more.get('model')}-{intermediate}-{target}-{seed}-{scaled}"
    averages = {"zero_shot_value": before + gain, "zero_shot_floor": 33.0 if target == "xnli" else 23.0}
    if intermediate:
        averages |= {"zero_shot_baseline": before, "zero_shot_gain": gain}
    return {
        **{"cell": name, "model": "mini", "weights": "pretrained", "intermediate": intermediate, "target": target},
        **{"seed": seed, "synthetic": True, "collapsed": [], "averages": averages, "scale": scaled, **more},
    }


def by_size(model: str, steps: int, gain: float, seed: int = 0, before: float = 40.0, **more: Any) -> list[Any]:
    """The baseline and ``mnli`` on two targets, with this mean gain."""
    parameters, cost = SIZES[model]
    pretraining = {"steps": steps, "token_budget": 900 * steps, "step_flops": cost, "tokens": 870 * steps, "flops": 7.0}
    scaled = {"parameters": parameters, "body": 100_000, "pretraining": pretraining, "intermediate": None}
    trained = {**scaled, "intermediate": {"examples": 500, "steps": 80, "batches": 16}}
    return [
        result(tasks, target, seed, before + up, gain + up if tasks else 0, trained if tasks else scaled, model=model)
        | more
        for target, up in (("xnli", 2.0), ("udpos", -2.0))
        for tasks in ([], ["mnli"])
    ]


def values(family: families.Family, line: str = "mnli") -> dict[str, tuple[float, float | None] | None]:
    assert len({place.point.model for place in family.lines[line]}) == len(family.lines[line])
    return {place.point.model: place.gain for place in family.lines[line]}


def test_equal_tokens_and_equal_compute_are_told_apart() -> None:
    results = by_size("mini_xs", 1000, 1.0) + by_size("mini_s", 1000, 2.0) + by_size("mini_l", 1000, 4.0)
    # at the cost of the middle one, whose cells the two have in common
    results += by_size("mini_xs", 2000, 1.5) + by_size("mini_l", 200, -3.0)
    found = points.points(results, "size")
    tokens, compute = families.families(found)
    assert (tokens.title, compute.title) == ("equal tokens: 0.9M tokens", "equal compute: 2e+12 FLOPs")
    assert values(tokens) == {"mini_xs": (1.0, None), "mini_s": (2.0, None), "mini_l": (4.0, None)}
    assert values(compute) == {"mini_xs": (1.5, None), "mini_s": (2.0, None), "mini_l": (-3.0, None)}
    assert list(values(tokens)) == ["mini_xs", "mini_s", "mini_l"], "in the order of their sizes"
    text = scaling.markdown(found, [tokens, compute])
    assert "| mini_l | 5.9M | 0.1M | 0.174M | 7 | mnli | -3.0 | 40.0 | 28.0 |" in text
    assert "Synthetic data" in text
    assert "seed 0 alone: no interval" in text
    assert "±" not in text


def test_intervals_are_over_seeds_that_have_every_target() -> None:
    results = by_size("mini_xs", 1000, 1.0, before=40) + by_size("mini_xs", 1000, 3.0, seed=1, before=44)
    results += by_size("mini_s", 1000, 5.0) + by_size("mini_s", 1000, 9.0, seed=1)[:-1]
    found = points.points(results, "size")
    (family,) = families.families(found)
    small, large = family.lines["mnli"]
    assert small.gain == (2.0, pytest.approx(12.706 * 2**0.5 / 2**0.5))
    assert small.baseline == (42.0, pytest.approx(12.706 * 8**0.5 / 2**0.5))
    assert large.gain == (5.0, None)
    text = scaling.markdown(found, [family])
    assert "some have not: mini_s, mnli" in text
    assert "| +2.0 ±12.7 | 42.0 ±25.4 | 28.0 |" in text


def by_volume(examples: int, steps: int, gain: float, batches: int, **more: Any) -> dict[str, Any]:
    trained = {"examples": examples, "steps": steps, "batches": batches}
    scaled = {"parameters": 1_345_152, "body": 331_776, "pretraining": None, "intermediate": trained}
    return result(["mnli"], "xnli", 0, 40.0, gain, scaled, volume=examples) | more


def test_equal_steps_and_equal_passes_are_told_apart() -> None:
    equal = [by_volume(32, 100, -1.0, 1), by_volume(320, 100, 1.0, 10), by_volume(3200, 100, 3.0, 100)]
    shrinking = [by_volume(32, 1, 0.0, 1), by_volume(320, 10, 0.5, 10, collapsed=["mnli"], marks=[{}])]
    steps, passes = families.families(points.points(equal + shrinking, "volume"))
    assert [(p.point.examples, p.gain) for p in steps.lines["mnli, 100 steps"]] == [
        (32, (-1.0, None)),
        (320, (1.0, None)),
        (3200, (3.0, None)),
    ]
    assert [(p.point.examples, p.gain) for p in passes.lines["mnli"]] == [
        (32, (0.0, None)),
        (320, None),
        (3200, (3.0, None)),
    ]
    text = scaling.markdown(points.points(equal + shrinking, "volume"), [passes])
    assert "| mini | mnli | 320 | 10 | 1 | † | 40.0 | 33.0 |" in text


def test_what_was_not_held_equal_is_not_called_so() -> None:
    mixed = [by_volume(32, 6, -1.0, 1), by_volume(320, 60, 1.0, 10), by_volume(3200, 100, 3.0, 100)]
    (family,) = families.families(points.points(mixed, "volume"))
    assert family.held == "as trained"
    assert [place.point.examples for place in family.lines["mnli"]] == [32, 320, 3200]
    released = [
        {**entry, "model": model, "cell": f"{model} {entry['target']} {entry['intermediate']}", "scale": scaled}
        for model, size in (("xlmr_base", 278_000_000), ("xlmr_large", 560_000_000))
        for entry in by_size("mini_s", 1, 2.0)
        for scaled in [{**entry["scale"], "parameters": size, "pretraining": None}]
    ]
    (family,) = families.families(points.points(released, "size"))
    assert family.held == "as trained"
    assert values(family) == {"xlmr_base": (2.0, None), "xlmr_large": (2.0, None)}


def test_controls_with_random_weights_are_no_points() -> None:
    random = by_size("mini_s", 1000, 50.0, weights="random")
    assert points.points(random, "size") == []
    assert "no curve" in scaling.markdown([], [])


def test_files_are_read_back_and_put_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = points.points(by_size("mini_xs", 1000, 1.0) + by_size("mini_s", 1000, 2.0), "size")
    compute = points.points(by_size("mini_xs", 2000, 1.5) + by_size("mini_s", 1000, 2.0), "size")
    scaling.write(tokens, tmp_path / "a")
    scaling.write(compute, tmp_path / "b")
    assert points.read(tmp_path / "a" / "scaling.csv") == tokens
    both = [str(tmp_path / "a"), str(tmp_path / "b"), "--output", str(tmp_path / "c")]
    assert scaling.main(both) == 0
    text = (tmp_path / "c" / "scaling.md").read_text(encoding="utf-8")
    assert text.count("**equal ") == 2
    picture = (tmp_path / "c" / "scaling.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert struct.unpack(">I", picture[20:24])[0] > 1000, "a row of panels for each of two"

    other = points.points([by_volume(32, 1, 0.0, 1), by_volume(320, 1, 0.0, 10)], "volume")
    scaling.write(other, tmp_path / "v")
    capsys.readouterr()
    assert scaling.main([str(tmp_path / "a"), str(tmp_path / "v"), "--output", str(tmp_path / "d")]) == 1
    assert "size and volume cannot be drawn together" in capsys.readouterr().err
    assert scaling.main([str(tmp_path / "nowhere"), "--output", str(tmp_path / "d")]) == 1
    assert "nowhere/scaling.csv cannot be read" in capsys.readouterr().err
    (tmp_path / "a" / "scaling.csv").write_text("cell,seed\nx,0\n", encoding="utf-8")
    assert scaling.main(both) == 1
    assert "is not the table of a study" in capsys.readouterr().err


def test_two_settings_in_one_place_are_refused() -> None:
    twice = by_size("mini_s", 1000, 1.0) + [
        entry | {"cell": entry["cell"] + "-other"} for entry in by_size("mini_s", 1000, 2.0)
    ]
    with pytest.raises(StiltsError, match="stand on the same curve, but their settings differ"):
        families.families(points.points(twice, "size"))


# --- for real ---------------------------------------------------------------------------------------------------------


def test_study_of_volumes_ends_in_its_curves(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "stilts_xtreme",
        "-m",
        "+study=volumes",
        "volume=0.1,1.0",
        "volume_steps=whole,own",
    ]
    command += ["+intermediate=none,mnli", "+target=tatoeba", *TINY, "recipe.intermediate.max_steps=1000"]
    command += ["recipe.intermediate.epochs=2", f"output={tmp_path}", "hydra.launcher.slots=1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "studies").iterdir()
    assert folder.name.startswith("volumes-mini-")
    with (folder / "scaling.csv").open(encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["intermediate"] == "mnli"]
    # 60 rows in batches of 8 are 8 steps a pass; 6 rows are one batch
    trained = sorted((int(line["examples"]), int(line["steps"]), int(line["batches"])) for line in lines)
    assert trained == [(6, 2, 1), (6, 16, 1), (60, 16, 8)]
    text = (folder / "scaling.md").read_text(encoding="utf-8")
    assert "**equal steps**" in text
    assert "**equal passes**" in text
    results = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("cells/*/result.json")]
    assert points.points(results, "volume")
    for entry in results:
        if entry["intermediate"]:
            gain = entry["averages"].get("zero_shot_gain")
            assert (f"{gain:+.1f}" if gain is not None else "| † |") in text
            assert (gain is None) == bool(entry["collapsed"] or entry["baseline_collapsed"])
    gains = any("zero_shot_gain" in entry["averages"] for entry in results)
    assert (folder / "scaling.png").exists() == gains, "there is a picture where there is a gain to draw"
    assert "table, points, matrix and picture:" in done.stdout
    assert f"page: {folder / 'report.html'}" in done.stdout


def test_facts_of_a_cell(run_tiny: Callable[..., dict[str, Any]]) -> None:
    found = run_tiny("+intermediate=mnli", "+target=tatoeba")["scale"]
    assert found["intermediate"] == {"examples": 60, "steps": 6, "batches": 8}
    pretrained = next(s["info"] for s in run_tiny("+target=tatoeba")["stages"] if s["kind"] == "pretrain")
    assert found["parameters"] == pretrained["parameters"]
    # two layers: four matrices of 32 x 32 with biases, two of 32 x 64 with theirs, two layer norms
    assert found["body"] == 2 * (4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32)
    assert found["pretraining"]["tokens"] == pretrained["tokens"] <= found["pretraining"]["token_budget"] == 20 * 900
