"""The command ``cost``: which cells it measures, what it writes, and what it refuses."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.finished import finished

from stilts_xtreme.commands import cost
from stilts_xtreme.report.costs import UNITS
from stilts_xtreme.training import costing


def test_one_cell_of_each_encoder_and_target_is_measured() -> None:
    scores = {"en": 1.0, "de": 1.0}
    cells = [
        finished("a", "mnli", scores, 0),
        finished("a", "none", {"de": 1.0}, 1),
        finished("a", "none", scores, 0),
        finished("b", "mnli", scores, 2),
        finished("b", "none", scores, 0, weights="random"),
        finished("a", "none", scores, 0, cell="few", shots={"k": 5, "draw": 0, "arm": "after"}),
        finished("c", "none", scores, 0, cell="few-alone", shots={"k": 5, "draw": 0, "arm": "after"}),
        finished("a", "none", scores, 0, target=None, cell="none"),
        finished("a", "none", scores, 0, target="panx", cell="panx"),
    ]
    assert [cell.result["cell"] for cell in cost.representatives(cells)] == ["panx", "a-none-0", "b-mnli-2"]


def test_percentiles_are_those_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.random.default_rng(0).exponential(size=77)
    found = costing.latencies(list(times))
    ordered = np.sort(times)
    for name, share in (("latency_p50", 0.5), ("latency_p95", 0.95), ("latency_p99", 0.99)):
        place = share * 76
        below = int(place)
        by_hand = ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])
        assert found[name] == pytest.approx(by_hand)
        assert found[name] == pytest.approx(np.percentile(times, 100 * share))


class Clocked:
    """A head that answers without a model, and a clock that each of its batches moves on."""

    def __init__(self, fixed: float, each: float):
        self.now, self.fixed, self.each = 0.0, fixed, each

    def arrays(self, batch: Any) -> tuple[np.ndarray, ...]:
        self.now += self.fixed + self.each * len(batch.units)
        return ()


@pytest.mark.parametrize(("fixed", "each", "best"), [(1.0, 0.01, 64), (0.0, 0.01, 1)])
def test_times_are_those_of_the_clock(monkeypatch: pytest.MonkeyPatch, fixed: float, each: float, best: int) -> None:
    from support.encoders import features_of

    from stilts_xtreme.core.specs import TrainerSpec

    head = Clocked(fixed, each)
    monkeypatch.setattr(costing.time, "perf_counter", lambda: head.now)
    monkeypatch.setattr(costing.Subject, "load", lambda own: head)
    features = {code: features_of([[[0] * (n % 5 + 1)] for n in range(40)]) for code in ("en", "de")}
    subject = costing.Subject(None, None, TrainerSpec(accelerator="cpu", precision="32-true"), features)  # type: ignore[arg-type]
    found = costing.turn(subject, 10, 40, None)
    tokens = float(features["de"].lengths.sum())
    assert found["de", "latency_p50"] == pytest.approx(1e3 * (fixed + each))
    assert found["de", "items_per_second_equal"] == pytest.approx(40 / (4 * fixed + 40 * each))
    assert found["de", "tokens_per_second_best"] == pytest.approx(tokens / (fixed + 40 * each))
    assert ("", "energy_per_item") not in found
    assert costing._best_batch(head, subject, 16) == best  # type: ignore[arg-type]
    largest = 80 if best > 1 else best  # of 80 items the equal batch takes all at once
    assert costing._best_batch(head, subject, 80) == largest  # type: ignore[arg-type]


def test_energy_is_divided_by_all_items(monkeypatch: pytest.MonkeyPatch) -> None:
    from support.encoders import features_of

    head = Clocked(0.0, 0.1)
    monkeypatch.setattr(costing.time, "perf_counter", lambda: head.now)

    class Meter:
        source = "made up"

        def joules(self) -> float:
            return 50 * head.now  # watts

    features = features_of([[[0, 1]] for _ in range(4)])
    assert costing._energy(head, [features], 4, Meter()) == pytest.approx(50 * 0.1)  # type: ignore[arg-type]
    assert head.now >= costing.ENERGY_SECONDS


def test_a_finished_cell_is_measured(
    run_tiny: Callable[..., dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = run_tiny.output  # type: ignore[attr-defined]
    run_tiny("+target=tatoeba")
    threads = torch.get_num_threads()
    try:
        arguments = [str(output), "--rounds", "2", "--items", "5", "--batch", "2", "--device", "cpu", "--threads", "1"]
        assert cost.main(arguments) == 0
    finally:
        torch.set_num_threads(threads)
    with (output / "costs.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["target"] == "tatoeba"]
    measures = {row["measure"] for row in rows}
    assert set(UNITS) - measures <= {"energy_per_item"}, "only what the machine does not tell may be missing"
    timed = [row for row in rows if row["measure"] == "latency_p50"]
    assert {row["round"] for row in timed} == {"1", "2"}
    assert len({row["run"] for row in timed}) == 1
    assert all(float(row["value"]) > 0 for row in rows)
    memory = {row["measure"]: float(row["value"]) for row in rows if row["measure"].endswith("_memory")}
    assert memory["peak_memory"] > memory["program_memory"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["{tmp}"], "holds no finished cell"),
        (["{tmp}/none"], "is not a folder"),
        (["{tmp}", "--rounds", "0"], "--rounds 0 is refused: give at least 1"),
        (["{tmp}", "--items", "1"], "--items 1 is refused: give at least 2"),
        (["{tmp}", "--device", "tpu"], "choose from"),
    ],
)
def test_what_is_refused_is_said(
    line: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cost.main([part.replace("{tmp}", str(tmp_path)) for part in line]) == 1
    assert said in capsys.readouterr().err


def test_a_language_without_rows_is_refused(
    run_tiny: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    run_tiny("+target=tatoeba")
    assert cost.main([str(run_tiny.output), "--languages", "xx"]) == 1  # type: ignore[attr-defined]
    assert "--languages=xx is not known; choose one of: qa" in capsys.readouterr().err


def test_a_language_that_one_cell_lacks_is_said(
    run_tiny: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny("+target=tatoeba")
    monkeypatch.setattr(cost, "_check_languages", lambda *_: None)  # as if another cell had it
    monkeypatch.setattr("stilts_xtreme.training.costing.subject", lambda *_: pytest.fail("reached"))
    with pytest.raises(pytest.fail.Exception):
        cost.main([str(run_tiny.output), "--languages", "qab,xx"])  # type: ignore[attr-defined]
    assert "has no rows in xx" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    run_tiny: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny("+target=tatoeba")
    monkeypatch.setattr(cost.os, "access", lambda place, mode: mode != cost.os.W_OK)
    monkeypatch.setattr(cost, "_measured", lambda *_: pytest.fail("measured"))
    assert cost.main([str(run_tiny.output)]) == 1  # type: ignore[attr-defined]
    assert "No permission to use" in capsys.readouterr().err


def test_trainings_on_shots_have_no_cost(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shots = {"k": 5, "draw": 0, "arm": "after"}
    cells = [finished("a", "none", {"en": 1.0, "de": 1.0}, seed, shots=shots if seed else None) for seed in (0, 1)]
    known = {name: {"training_steps": 9.0} for name in ("a-none-0", "a-none-1")}
    monkeypatch.setattr("stilts_xtreme.cell.spent.training_costs", lambda _: known)
    assert [found.cell for found in cost._trained(cells)] == ["a-none-0"]
    assert "leave out 1 cell with shots" in capsys.readouterr().err
