"""Evaluation in many languages: one length-sorted stream, and Hugging Face's Trainer.predict for each language.

python -m benchmarks.evaluation [--size mini|minilm|base] [--languages N] [--rows N] [--rounds N]

Sentence pairs are classified with the same random weights, on one thread, in single precision, 32 at a time with
Trainer. The predicted labels are compared.

  one stream           this project's: all languages together, sorted by length, packed; first tokens in the last layer
  predict, dynamic     Trainer.predict per language, padded to the longest of a batch
  predict, longest     Trainer.predict per language as the example scripts pad: every row to --max-length

Lengths are drawn (log-normal); a language's mean lies between 30 and 60 tokens. That is an assumption about XNLI's 15
languages, not a measurement of them. --rows 5010 is the size of XNLI's test sets.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments

from benchmarks import rounds as plumbing
from benchmarks.jobs import JOBS, log_normal, rows_of, sequences
from benchmarks.models import SIZES, checkpoint, padder
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.models.batch import Features, concatenate
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.training.predict import predict

MEANS = (30, 60)
BATCH = 32
JOB = JOBS["pairs"]


def draw(languages: int, rows: int, pieces: int, longest: int) -> list[Features]:
    """The rows of each language."""
    generator = np.random.default_rng(0)
    found = []
    for mean in np.linspace(*MEANS, languages):
        lengths = log_normal(generator, mean, JOB.spread, rows).clip(8, longest)
        ones = np.ones(rows, np.int64)
        found.append(Features(sequences(generator, lengths, pieces), lengths, ones, rows=np.arange(rows)))
    return found


def ours(clock: plumbing.Clock, folder: Path, parts: list[Features]) -> np.ndarray:
    """Labels as an evaluation predicts them."""
    source = Source(str(folder))
    head = format_of(JOB.head).module()(load(source), JOB.labels, HeadOptions(max_length=512), source)
    with clock:
        (logits,) = predict(head, concatenate(parts), TrainerSpec("cpu", "32-true", progress=False), None)
        return logits.argmax(-1)


def theirs(clock: plumbing.Clock, folder: Path, parts: list[Dataset], longest: int | None) -> np.ndarray:
    """Labels as Trainer predicts them, one language after the other."""
    padding: dict[str, Any] = {"padding": "max_length", "max_length": longest} if longest else {}
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch, per_device_eval_batch_size=BATCH, report_to=[], use_cpu=True, disable_tqdm=True
        )
        model = JOB.model.from_pretrained(folder)
        trainer = Trainer(model, arguments, DataCollatorWithPadding(padder(), **padding))
        trainer.remove_callback(PrinterCallback)
        with clock:
            return np.concatenate([trainer.predict(part).predictions.argmax(-1) for part in parts])


def measure(size: str, languages: int, rows: int, rounds: int, max_length: int = 128) -> dict[str, Any]:
    """Evaluates in every way in every round.

    Args:
        size: A key of :data:`SIZES`.
        languages: Number of languages.
        rows: Rows of each.
        rounds: How often each way is measured.
        max_length: Tokens of the longest row.

    Raises:
        StiltsError: When the encoder does not take rows so long.
    """
    if max_length > 512:
        raise StiltsError(f"--max-length {max_length} is refused: the encoder takes 512 tokens at most.")
    parts = draw(languages, rows, SIZES[size][3], max_length)
    sets = [rows_of(part, np.arange(rows)) for part in parts]
    answers: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoint(folder, size, JOB.model, JOB.labels)

        def kept(way: str, work: Any, *given: Any) -> plumbing.Way:
            def run(clock: plumbing.Clock) -> Mapping[str, Any]:
                answers[way] = work(clock, folder, *given)
                return {}

            return run

        runs = {
            "one stream": kept("one stream", ours, parts),
            "predict, dynamic": kept("predict, dynamic", theirs, sets, None),
            "predict, longest": kept("predict, longest", theirs, sets, max_length),
        }
        found = plumbing.turns(runs, rounds)
    for way, entry in found.items():
        entry["facts"]["other labels than ours"] = int((answers[way] != answers["one stream"]).sum())
    tokens = sum(len(part.ids) for part in parts)
    settings = {"size": size, "languages": languages, "rows": rows, "rounds": rounds, "max_length": max_length}
    return {"settings": settings, "work": {"real tokens": tokens, "examples": languages * rows}, "ways": found}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = plumbing.parser("evaluation", __doc__ or "")
    parser.add_argument("--size", choices=SIZES, default="minilm", help="of the encoder (%(default)s)")
    parser.add_argument("--languages", type=plumbing.at_least(1), default=15, help="(%(default)s)")
    parser.add_argument("--rows", type=plumbing.at_least(1), default=64, help="of each language (%(default)s)")
    parser.add_argument("--max-length", type=plumbing.at_least(16), default=128, help="tokens of a row (%(default)s)")
    plumbing.run(parser, arguments, measure)


if __name__ == "__main__":
    main()
