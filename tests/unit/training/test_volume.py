"""The volume of an intermediate training, and the shares of joint tasks in its steps."""

from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cells import cell_of

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.apportion import portions
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.mixing import Sampling
from stilts_xtreme.models.batch import Features
from stilts_xtreme.report.labels import row_name
from stilts_xtreme.training.callbacks import Select
from stilts_xtreme.training.courses import _volume
from stilts_xtreme.training.fit import Course, StepStream, share_steps
from stilts_xtreme.training.parents import load_rows

SIZES = st.lists(st.integers(1, 5000), min_size=1, max_size=5)


@given(SIZES, st.integers(1, 20000))
def test_a_number_is_shared_out_in_proportion(sizes: list[int], volume: int) -> None:
    found, total = portions(sizes, volume), sum(sizes)
    if volume >= total:
        assert found == sizes
        return
    assert all(abs(count - size * volume / total) <= 1 for count, size in zip(found, sizes, strict=True))
    if min(found) > 1:  # none was raised to the one example that every task keeps
        assert sum(found) == volume


@given(SIZES, st.floats(0.001, 0.999))
def test_a_share_is_taken_of_every_task(sizes: list[int], share: float) -> None:
    for count, size in zip(portions(sizes, share), sizes, strict=True):
        assert 1 <= count <= size
        assert abs(count - size * share) <= 1


def subset(volume: Any, seed: int = 0, sizes: tuple[int, ...] = (90, 30)) -> list[list[str]]:
    tasks = [SimpleNamespace(name=name) for name in ("mnli", "squad_v1")]
    stage: Any = SimpleNamespace(volume=volume, seed=seed, tasks=tasks)
    loaded = [{"id": [f"{n}-{i}" for i in range(size)], "label": list(range(size))} for n, size in enumerate(sizes)]
    kept = _volume(loaded, stage)
    assert all([f"{n}-{label}" for label in rows["label"]] == rows["id"] for n, rows in enumerate(kept))
    return [rows["id"] for rows in kept]


def test_smaller_volumes_are_part_of_larger_ones() -> None:
    chain = [subset(volume) for volume in (0.01, 0.1, 0.5, 0.9, None)]
    assert [[len(ids) for ids in step] for step in chain] == [[1, 1], [9, 3], [45, 15], [81, 27], [90, 30]]
    for small, large in pairwise(chain):
        assert all(set(a) < set(b) for a, b in zip(small, large, strict=True))
    assert subset(12) == subset(0.1), "twelve examples of 120 are a tenth"
    assert subset(0.5, seed=1) != subset(0.5)
    assert subset(0.5)[0] == sorted(subset(0.5)[0], key=lambda key: int(key.split("-")[1])), "in the order of the rows"


@pytest.mark.parametrize("value", ["0", "-3", "0.0", "1.5", "true", "many"])
def test_volumes_that_mean_nothing_are_refused(value: str) -> None:
    with pytest.raises(StiltsError, match=r"volume=.* is refused: take a share such as 0.1"):
        cell_of("+intermediate=mnli", f"volume={value}")


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("sampling.kind=equal", "sampling.kind=equal is not known.*proportional, temperature, uniform"),
        ("sampling.temperature=0", "sampling.temperature=0 is refused"),
        ("sampling.cap=0.5", "sampling.cap=0.5 is refused"),
    ],
)
def test_sampling_refusals(option: str, text: str) -> None:
    with pytest.raises(StiltsError, match=text):
        cell_of("+intermediate=mnli", option)


def test_only_the_intermediate_phase_has_a_volume() -> None:
    whole, part = (plan(cell_of("+intermediate=qqp", "+target=xnli", *more)) for more in ((), ("volume=0.1",)))
    assert part.baseline is not None
    assert whole.baseline is not None
    assert part.baseline.key == whole.baseline.key
    assert part.final.parent is not None
    assert part.final.parent.volume is None
    rows = [planned.final.parent.parent.rows["qqp"] for planned in (whole, part)]  # type: ignore[union-attr]
    assert rows == [20000, 2000]


# --- joint training ---------------------------------------------------------------------------------------------------


def course(name: str, units: int, steps: int) -> Course:
    features = Features(np.zeros(units, np.int32), np.ones(units, np.int64), np.ones(units, np.int64))
    return Course(name, features, 4, steps)


COURSES = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 300)), min_size=2, max_size=5).map(
    lambda sizes: [course(f"task{n}", units, steps) for n, (units, steps) in enumerate(sizes)]
)


@settings(max_examples=80, deadline=None)
@given(COURSES, st.sampled_from(["proportional", "temperature", "uniform"]), st.floats(0.3, 50))
def test_shares_of_steps(courses: list[Course], kind: str, temperature: float) -> None:
    found = [c.steps for c in share_steps(courses, Sampling(kind, temperature))]
    own = np.array([c.steps for c in courses], float)
    power = {"proportional": 1, "temperature": 1 / temperature, "uniform": 0}[kind]
    expected = own.sum() * own**power / (own**power).sum()
    assert all(abs(a - b) < 1 + 1e-9 for a, b in zip(found, expected, strict=True))
    assert min(found) >= 1
    if kind == "proportional":
        assert found == own.tolist()
    elif min(expected) >= 1:
        assert sum(found) == own.sum()


def test_shares_by_hand() -> None:
    courses = [course("big", 400, 400), course("small", 100, 100)]
    steps = {kind: [c.steps for c in share_steps(courses, Sampling(kind, 2.0))] for kind in ("temperature", "uniform")}
    assert steps == {"temperature": [333, 167], "uniform": [250, 250]}  # sqrt(400) : sqrt(100) = 2 : 1
    assert [c.steps for c in share_steps(courses, Sampling(cap=200))] == [200, 100]
    assert [c.steps for c in share_steps(courses, Sampling("temperature", 1.0))] == [400, 100]


def test_a_small_task_with_many_steps_begins_new_epochs_and_resumes() -> None:
    courses = share_steps([course("big", 40, 50), course("small", 6, 2)], Sampling("uniform"))
    whole = [(step.task, step.units.tolist()) for step in StepStream(courses, 0)]
    small = [units for task, units in whole if task == "small"]
    assert len(small) == 26
    assert all(sorted(small[at] + small[at + 1]) == list(range(6)) for at in range(0, 26, 2)), "whole epochs"
    again = StepStream(courses, 0)
    again.load_state_dict({"next": 31})
    assert [(step.task, step.units.tolist()) for step in again] == whole[31:]


def test_sub_tokens_of_a_training_are_those_of_its_steps() -> None:
    lengths = np.array([3, 1, 2], np.int64)
    features = Features(np.zeros(6, np.int32), lengths, np.ones(3, np.int64))
    stream = StepStream([Course("one", features, 2, 5)], 0)  # batches of 2 units and of 1
    assert stream.tokens(4) == 2 * 6
    assert stream.tokens(5) == 2 * 6 + int(lengths[stream.step(4).units].sum())
    assert stream.tokens(0) == 0


@pytest.mark.parametrize("kind", ["proportional", "temperature", "uniform"])
@pytest.mark.parametrize("cap", [None, 9])
def test_every_sampler_goes_on_from_any_step(kind: str, cap: int | None) -> None:
    def stream() -> StepStream:
        courses = [course("big", 40, 30), course("middle", 20, 10), course("small", 6, 4)]
        return StepStream(share_steps(courses, Sampling(kind, 2.0, cap)), 5)

    whole = [(step.task, step.index, step.units.tolist()) for step in stream()]
    assert {task for task, _, _ in whole} == {"big", "middle", "small"}
    for killed in range(0, len(whole), 7):
        first, second = stream(), stream()
        steps = iter(first)
        before = [next(steps) for _ in range(killed)]
        second.load_state_dict(first.state_dict())
        assert [(step.task, step.index, step.units.tolist()) for step in (*before, *second)] == whole


def test_anli_is_three_data_sets_in_proportion_under_one_head(run_tiny) -> None:
    (task,) = cell_of("+intermediate=anli").intermediate_tasks
    assert [spec.name for spec in task.datasets] == ["anli", "mnli", "snli"]
    assert task.datasets[0].splits["train"] == ["train_r1", "train_r2", "train_r3"]
    cell = cell_of("+intermediate=anli", "++data.world.train=60", "++data.world.languages=3")
    rows = load_rows(cell, task, "train")
    origin = [key.split("-")[0] for key in rows["id"]]
    sizes = {name: origin.count(name) for name in ("anli", "mnli", "snli")}
    assert sizes == {"anli": 30, "mnli": 60, "snli": 60}
    stream = StepStream([course(task.name, len(origin), 114)], 0)  # batches of 4: three epochs of 38 steps
    for epoch in range(3):
        drawn = np.concatenate([stream.step(38 * epoch + at).units for at in range(38)])
        assert sorted(drawn.tolist()) == list(range(150)), "every row once an epoch: in proportion to the sizes"
    early = [origin[unit] for at in range(19) for unit in stream.step(at).units]
    assert all(abs(early.count(name) / 76 - size / 150) < 0.2 for name, size in sizes.items()), "mixed, not in turn"
    result = run_tiny("+intermediate=anli")
    assert result["stages"][-1]["info"]["tasks"] == ["anli+mnli+snli"], "one head"


def test_selection_is_by_the_plain_mean_of_the_tasks(tmp_path) -> None:
    import torch

    scores = iter([{"a": 90.0, "b": 10.0}, {"a": 60.0, "b": 44.0}, {"a": 99.0, "b": 1.0}])
    points: list[dict[str, float]] = []
    guard: Any = SimpleNamespace(point=points.append)
    select = Select(guard, tmp_path, lambda: next(scores), 1, None)
    module: Any = torch.nn.Linear(1, 1)
    module.steps = 3
    for index in range(3):
        select.on_train_batch_end(None, module, None, SimpleNamespace(index=index), index)  # type: ignore[arg-type]
    assert (select.best, select.best_step) == (52.0, 2)
    assert [point["dev"] for point in points] == [50.0, 52.0, 50.0]


def test_a_joint_training_on_less(run_tiny) -> None:
    result = run_tiny("+intermediate=[mnli,squad_v1]", "volume=30", "sampling.kind=uniform", "sampling.cap=5", "seed=4")
    manifest = json.loads((run_tiny.output / "stages" / result["stages"][-1]["key"] / "manifest.json").read_text())
    assert manifest["info"]["rows"] == {"mnli": 15, "squad_v1": 15}
    assert manifest["identity"]["sampling"] == {"kind": "uniform", "cap": 5}
    # six steps each by the recipe's limit, of which a cap of 5 of 15 examples leaves two each
    assert manifest["info"]["steps_of"] == {"mnli": 2, "squad_v1": 2}
    assert manifest["info"]["steps"] == 4
    assert result["volume"] == 30
    assert row_name(result) == "mnli+squad_v1 (30 examples)"
    assert row_name({"intermediate": ["mnli"], "volume": 0.125}) == "mnli (0.125 of it)"
    assert row_name({"intermediate": [], "volume": 0.125}) == "none"
