"""What is known of intermediate tasks before a target is trained: likeness of texts, and LogME."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.cells import TINY, cell_of

from stilts_xtreme.cell.likeness import by_evidence, by_texts
from stilts_xtreme.cell.plan import plan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Training
from stilts_xtreme.models.encoder import load
from stilts_xtreme.report.logme import logme
from stilts_xtreme.training import likeness
from stilts_xtreme.training.parents import encoder_source

TASKS = ("squad_v1", "mnli", "ccg")


def cells_of(target: str, outputs: Path) -> Callable[[str | None], Cell]:
    def one(task: str | None) -> Cell:
        own = (f"+intermediate={task}",) if task else ()
        return cell_of(f"+target={target}", *own, *TINY, f"output={outputs}")

    return one


def target_training(cell: Cell) -> Training:
    return next(s for s in plan(cell).final.chain() if isinstance(s, Training) and s.phase == "target")


def test_the_task_with_the_same_texts_is_the_most_alike(outputs: Path) -> None:
    assert by_texts(cells_of("xnli", outputs), TASKS)[0] == "mnli", "XNLI is trained on MNLI"
    assert by_texts(cells_of("xquad", outputs), TASKS)[0] == "squad_v1", "XQuAD is trained on SQuAD"


def test_vectors_are_those_of_the_encoder(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "ROWS", 3)
    cell = cells_of("xnli", outputs)(None)
    stage, store = target_training(cell), Store(cell.output, cell.on_damage)
    found = likeness.labelled(cell, stage, store.open)
    assert found is not None
    parts = likeness.build(cell, stage, store.open)
    rows = likeness._first(likeness.load_rows(cell, stage.tasks[0], "train"), stage.tasks[0].name)
    encoder = load(encoder_source(stage, store.open)).eval()
    for at in range(3):
        given = parts.tokenizer(rows["text_a"][at], rows["text_b"][at], return_tensors="pt")
        with torch.inference_mode():
            hidden = encoder.base(given["input_ids"], attention_mask=given["attention_mask"]).last_hidden_state
        np.testing.assert_allclose(found[0][at], hidden[0].mean(dim=0).numpy(), atol=1e-5)
    assert found[1].tolist() == rows["label"]


def test_words_have_the_labels_of_a_tagged_target(outputs: Path) -> None:
    cell = cells_of("udpos", outputs)(None)
    found = likeness.labelled(cell, target_training(cell), Store(cell.output, cell.on_damage).open)
    assert found is not None
    vectors, tags = found
    assert len(vectors) == len(tags) > 60, "more words than sentences"
    assert len(np.unique(vectors.round(6), axis=0)) > 60
    assert tags.min() >= 0


def test_logme_looks_at_the_trainings_that_are_there(
    run_tiny: Callable[..., Any], outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tiny("+intermediate=mnli")
    run_tiny("+intermediate=squad_v1")
    of = cells_of("panx", outputs)
    order = by_evidence(of, [*TASKS, "cosmosqa"])
    assert {"mnli", "squad_v1"} <= set(order)
    assert "cosmosqa" not in order
    assert "cosmosqa" in capsys.readouterr().err
    scores = {}
    for task in order:
        cell = of(task)
        given = likeness.labelled(cell, target_training(cell), Store(cell.output, cell.on_damage).open)
        assert given is not None
        scores[task] = logme(*given)
    assert order == sorted(scores, key=lambda task: -scores[task])


@pytest.mark.parametrize(
    ("target", "ask", "said"),
    [
        ("tatoeba", by_texts, "tatoeba is not trained"),
        ("tatoeba", by_evidence, "tatoeba is not trained"),
        ("xquad", by_evidence, "xquad is of the format qa"),
    ],
)
def test_what_cannot_be_asked_is_said(
    run_tiny: Callable[..., Any], outputs: Path, target: str, ask: Callable[..., Any], said: str
) -> None:
    run_tiny("+intermediate=mnli")
    with pytest.raises(StiltsError, match=said):
        ask(cells_of(target, outputs), TASKS)


def test_logme_of_rows_with_one_label_is_refused(
    run_tiny: Callable[..., Any], outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny("+intermediate=mnli")
    monkeypatch.setattr(likeness, "ROWS", 1)
    with pytest.raises(StiltsError, match="at least two labels, and the training rows of xnli"):
        by_evidence(cells_of("xnli", outputs), ["mnli"])


def test_logme_without_a_training_says_where_it_looked(pretrained: Path) -> None:
    with pytest.raises(StiltsError, match="holds none of them"):
        by_evidence(cells_of("panx", pretrained), TASKS)
