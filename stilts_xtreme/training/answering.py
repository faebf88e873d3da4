"""Answers the rows of a target with one model, all of them in one stream."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data import translated_tests
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models.batch import concatenate
from stilts_xtreme.models.encoder import Encoder, Source, load
from stilts_xtreme.models.flops import size_of
from stilts_xtreme.models.reading import Reading
from stilts_xtreme.models.tokenizer import compare_unknown, load_tokenizer, unknown_share
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.training.candidates import peak_memory, read_candidates
from stilts_xtreme.training.predict import device_of, predict
from stilts_xtreme.training.remarks import readings


@dataclass
class Answered:
    """What a model answered.

    Attributes:
        rows: (split, language) -> canonical rows.
        answers: (split, language) -> what the module's ``decode`` returned.
        problems: Language -> what was wrong with its test rows -> how often.
        more: Language -> scores that need the model's outputs.
        layers: (split, language) -> answers by layer; empty where only one layer is asked.
        labels: Label names in canonical order.
        facts: What stands beside the scores.
        tokens: Language -> what the tokenizer makes of its test rows; empty for synthetic rows.
        encoder: The size of the only encoder that answered; empty where several did.
    """

    labels: Sequence[str] = ()
    rows: dict[tuple[str, str], Columns] = field(default_factory=dict)
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    problems: dict[str, dict[str, int]] = field(default_factory=dict)
    more: dict[str, dict[str, float]] = field(default_factory=dict)
    layers: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Reading] = field(default_factory=dict)
    encoder: dict[str, int] = field(default_factory=dict)

    def add(self, other: Answered) -> None:
        """Adds what another model answered to other rows of the same target."""
        self.labels = other.labels
        for name in ("rows", "answers", "problems", "more", "layers", "facts", "tokens"):
            getattr(self, name).update(getattr(other, name))


def answer(
    cell: Cell, stage: Evaluation, source: Source, wanted: Sequence[tuple[str, str]], checks: bool = True
) -> Answered:
    """Answers rows with a model, all of them in one stream.

    Args:
        cell: The cell.
        stage: The evaluation.
        source: Where the model is.
        wanted: Splits and languages of the rows.
        checks: Whether to name the languages that the tokenizer does not read.

    Raises:
        StiltsError: No CUDA device, a language of which no row can be used, or a tokenizer that reads none of them.
    """
    target = stage.target
    encoder: Encoder = load(source, packed=cell.trainer.packing)
    format = format_of(target.head)
    options = format.head_options(cell, target.recipe, target.metric)
    continues = source if stage.head is not None else None
    head: HeadModule = format.module()(encoder, source_of(target.test, cell.data).labels(), options, continues)
    found = answer_with(cell, stage, head, load_tokenizer(source), source.place, wanted, checks)
    found.encoder = size_of((name, weight.numel()) for name, weight in encoder.base.named_parameters())
    return found


def answer_with(
    cell: Cell,
    stage: Evaluation,
    head: HeadModule,
    tokenizer: Any,
    place: str,
    wanted: Sequence[tuple[str, str]],
    checks: bool = True,
) -> Answered:
    """Answers rows with a head in memory, as :func:`answer` does.

    Args:
        cell: The cell.
        stage: The evaluation.
        head: The head on its encoder.
        tokenizer: The encoder's.
        place: What errors call the encoder.
        wanted: Splits and languages of the rows.
        checks: Whether to name the languages that the tokenizer does not read.
    """
    target = stage.target
    tests = source_of(target.test, cell.data)
    if cell.trainer.accelerator == "gpu" and not torch.cuda.is_available():
        raise StiltsError("trainer.accelerator=gpu, but torch finds no CUDA device it can use; take trainer=cpu.")
    head.to(device_of(cell.trainer))
    found, parts = Answered(tests.labels()), {}
    languages = tuple(dict.fromkeys(language for _, language in wanted))
    for split, language in wanted:
        read = translated_tests.rows(stage.test, language) if split == "test" else tests.rows(split, language)
        found.rows[split, language], report = read
        if split == "test":
            found.problems[language] = {name: count for name, (count, _) in report.problems.items()}
        if report.problems:
            say(f"  {report}")
        parts[split, language] = head.features(found.rows[split, language], tokenizer)
        if not len(parts[split, language]):
            others = ",".join(other for other in stage.languages if other != language)
            raise StiltsError(
                f"{target.name}: no {split} row in {language} can be used"
                + (f"; languages=[{others}] evaluates in the others." if others else ".")
            )
    if checks:
        split = wanted[0][0]
        shares = {code: unknown_share(parts[split, code], tokenizer) for code in languages}
        # a head was trained on the source language, which the tokenizer could read
        compare_unknown(shares, place, target.name, stage.head is None or tests.source_language in shares)
    if not cell.synthetic:
        texts = {language: found.rows["test", language] for split, language in wanted if split == "test"}
        found.tokens = readings(target, tokenizer, texts)
    if target.candidates is not None:
        found.facts["candidates"] = read_candidates(cell, target, head, tokenizer)
    # one stream; with outputs of every layer one for each language: they are many
    groups = [[key for key in parts if key[1] == code] for code in languages] if head.layered else [list(parts)]
    spent = 0.0
    with phase(f"evaluating {stage.label}", sum(map(len, parts.values())), cell.trainer.progress) as bar:
        for group in groups:
            outputs = predict(head, concatenate([parts[key] for key in group]), cell.trainer, bar)
            at = 0
            for key in group:
                features, rows, size = parts[key], found.rows[key], parts[key].count(head.over)
                own = [array[at : at + size] for array in outputs]
                at += size
                began = time.monotonic()
                if head.layered:
                    found.layers[key] = [head.decode(rows, features, [array]) for array in own]
                    found.answers[key] = found.layers[key][head.layer]
                else:
                    found.answers[key] = head.decode(rows, features, own)
                if key[0] == "test":
                    found.more[key[1]] = head.more_scores(rows, features, own)
                spent += time.monotonic() - began
    if target.candidates is not None:
        asked = sum(len(own["id"]) for own in found.rows.values())
        say(f"  {asked:,} queries compared with all of them in {spent:.0f} s; {peak_memory()}")
    found.facts |= head.facts()
    return found
