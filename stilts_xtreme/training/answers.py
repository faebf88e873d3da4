"""Answers to the user's own rows, by a trained model, made as an evaluation makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.data import asked
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.head import HeadModule, quiet
from stilts_xtreme.tasks.saved import Told
from stilts_xtreme.training.predict import device_of, predict

TEXTS = "candidates"
"""The id of rows that are plain texts: what a file of sentences or of candidates holds."""


@dataclass(frozen=True)
class Question:
    """What is asked of a model.

    Attributes:
        path: The file of rows.
        against: The file that answers are found in; None where rows are answered one by one.
        columns: Canonical column -> its name in the file.
    """

    path: Path
    against: Path | None = None
    columns: Mapping[str, str] | None = None


def answer(source: Source, told: Told, question: Question, machine: TrainerSpec) -> list[dict[str, Any]]:
    """Predicts the rows of a file.

    Args:
        source: Where the model is.
        told: What its head is.
        question: The rows.
        machine: Device, precision and memory.

    Returns:
        An object for each row, in their order; for mining one for each pair, the best first.

    Raises:
        StiltsError: For a model that cannot be loaded, or rows that do not fit it.
    """
    rows, candidates = read(told, question)
    if machine.accelerator == "gpu" and not torch.cuda.is_available():
        raise StiltsError("--device gpu: torch finds no CUDA device that it can use; take --device cpu.")
    with quiet():
        tokenizer = load_tokenizer(source)
        head = head_of(source, told, machine)
    if candidates is not None:
        (vectors,) = _outputs(head, head.candidates(candidates, tokenizer), machine, "encoding candidates")
        head.take_candidates(candidates["id"], vectors)
    features = head.features(rows, tokenizer)
    return head.records(rows, features, _outputs(head, features, machine, "predicting"))


def read(told: Told, question: Question) -> tuple[Columns, Columns | None]:
    """The rows in the columns of the head, and what a ranking chooses from.

    Raises:
        StiltsError: For files that do not fit the head.
    """
    format = format_of(told.format)
    if question.against is None:
        if format.candidates is not None:
            raise StiltsError(
                f"A model of the format {format.name} chooses from candidates: name their file (columns id, text and, "
                "optionally, context) with --against FILE."
            )
        try:
            return asked.read(question.path, format.rows.name, format.answers, question.columns, told.columns), None
        except StiltsError as error:
            if format.pairs:
                raise StiltsError(f"{error} Or give two files of texts: FILE --against FILE.") from error
            raise
    if not format.pairs:
        raise StiltsError(f"--against is for comparing texts, and the model answers rows of the format {format.name}.")
    second = asked.read(question.against, TEXTS)
    if format.candidates is not None:
        queries = asked.read(question.path, format.rows.name, format.answers, question.columns, _bare(told.columns))
        return format.paired(queries, second), second
    return format.paired(asked.read(question.path, TEXTS, (), question.columns), second), None


def _bare(columns: Mapping[str, str]) -> dict[str, str]:
    """Of the names that training rows had, those of the query."""
    return {name: place for name, place in columns.items() if name in ("id", "query")}


def head_of(source: Source, told: Told, machine: TrainerSpec) -> HeadModule:
    """The saved head on its encoder, on its device."""
    format = format_of(told.format)
    encoder = load(source, packed=machine.packing)
    continues = source if format.head is not None else None
    head: HeadModule = format.module()(encoder, told.labels, told.options, continues, tokenizer=None)
    head.scored = True
    head.eval()
    return head.to(device_of(machine))


def _outputs(head: HeadModule, features: Any, machine: TrainerSpec, label: str) -> Any:
    with phase(label, len(features), machine.progress) as bar:
        return predict(head, features, machine, bar)
