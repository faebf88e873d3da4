"""Training of sentence-pair classification: packed, padded, and Hugging Face's Trainer, on the same work.

python -m benchmarks.training [--size mini|minilm|base] [--steps N] [--rounds N] [--output FILE]

Every way trains the same weights on the same rows in batches of 32 with AdamW, in single precision without dropout, on
one thread; ways take turns, in another order each round. All but ``trainer, by length`` also take the same rows in the
same steps, so that their mean losses must agree; they are printed. The clock is processor time, which other programs
on the machine disturb less than time on the wall.

  packed               this project's default
  padded               trainer.packing=false trainer.compact_embedding=false
  trainer, by length   Trainer(train_sampling_strategy="group_by_length"), padded to the longest of a batch
  trainer, dynamic     Trainer, padded to the longest of a batch
  trainer, longest     Trainer as the example scripts pad: every row to --max-length

Weights are random, and lengths are drawn: log-normal, mean 39 tokens, between 8 and --max-length. That is an assumption
about sentence pairs such as MNLI's, not a measurement of them. --size minilm is six layers of 384 with XLM-R's own
vocabulary of 250,002 pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import (
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaTokenizer,
)
from transformers.utils import logging as transformers_logging

from stilts_xtreme import compact
from stilts_xtreme.batch import Features, order
from stilts_xtreme.callbacks import Guard
from stilts_xtreme.encoder import Source, load
from stilts_xtreme.errors import StiltsError
from stilts_xtreme.heads import HEADS
from stilts_xtreme.heads.base import HeadOptions
from stilts_xtreme.heads.step import Optimisation
from stilts_xtreme.progress import phase, say
from stilts_xtreme.specs import TrainerSpec
from stilts_xtreme.store import write_atomic
from stilts_xtreme.training import Course, StepStream, fit

SIZES = {"mini": (3, 96, 4, 10_000), "minilm": (6, 384, 6, 250_002), "base": (12, 768, 12, 250_002)}
"""Layers, width, heads, vocabulary."""
BATCH = 32
LABELS = ("entailment", "neutral", "contradiction")
RATE = 2e-5
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()
WAYS = ("packed", "padded", "trainer, by length", "trainer, dynamic", "trainer, longest")


class Rows(Dataset):
    """Ids and labels as Trainer takes them, in the order of the steps."""

    def __init__(self, rows: list[np.ndarray], labels: np.ndarray):
        self.rows, self.labels = rows, labels

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, Any]:
        return {"input_ids": self.rows[at].tolist(), "labels": int(self.labels[at])}


def draw(count: int, vocabulary: int, longest: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Rows of token ids, and labels."""
    generator = np.random.default_rng(0)
    spread = 0.5
    lengths = np.exp(generator.normal(np.log(39) - spread**2 / 2, spread, count)).astype(int).clip(8, longest)
    rows = [np.concatenate(([0], generator.integers(5, vocabulary, size - 2), [2])) for size in lengths]
    return rows, generator.integers(0, len(LABELS), count)


def checkpoint(folder: Path, size: str) -> None:
    """Random weights without dropout, as a checkpoint that every way loads."""
    layers, width, heads, vocabulary = SIZES[size]
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        num_hidden_layers=layers,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=514,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        type_vocab_size=1,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: at for at, label in enumerate(LABELS)},
    )
    torch.manual_seed(0)
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)


def ours(folder: Path, rows: list[np.ndarray], labels: np.ndarray, steps: int, packed: bool) -> tuple[float, float]:
    """Processor seconds of a training with Lightning as a stage has it, and its mean loss."""
    source = Source(str(folder))
    encoder = load(source, packed=packed)
    head = HEADS["classification"](encoder, LABELS, HeadOptions(max_length=512), source)
    lengths = np.asarray([len(row) for row in rows])
    features = Features(
        np.concatenate(rows).astype(np.int32),
        lengths,
        np.ones(len(rows), np.int64),
        labels={"label": ("unit", labels)},
        rows=np.arange(len(rows)),
    )
    head.optimisation = Optimisation(RATE, steps, 0, 0.0, 1e-8, 1.0, 0, 8192)
    points: list[dict[str, Any]] = []
    if packed:
        compact.shrink(encoder, [features.ids])
    stream = StepStream([Course("pairs", features, BATCH, steps)], 0)
    spec = TrainerSpec("cpu", "32-true", checkpoint_seconds=1e9, progress=False)
    with tempfile.TemporaryDirectory() as scratch, phase("training", steps, False) as bar:
        start = time.process_time()
        fit(head, stream, spec, [Guard(bar, "training", points.append)], Path(scratch))
        compact.restore(encoder)
        seconds = time.process_time() - start
    return seconds, statistics.fmean(point["loss"] for point in points)


def peers(
    folder: Path, rows: list[np.ndarray], labels: np.ndarray, steps: int, way: str, longest: int
) -> tuple[float, float]:
    """Processor seconds and mean loss of ``Trainer``."""
    turns = order(0, "pairs", 0, len(rows))  # the order of our steps
    model = XLMRobertaForSequenceClassification.from_pretrained(folder)
    whole = way == "trainer, longest"
    collator = DataCollatorWithPadding(
        pieces(), padding="max_length" if whole else "longest", max_length=longest if whole else None
    )
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            max_steps=steps,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            weight_decay=0.0,
            lr_scheduler_type="linear",
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            train_sampling_strategy="group_by_length" if way == "trainer, by length" else "sequential",
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
            seed=0,
        )
        dataset = Rows([rows[at] for at in turns], labels[turns])
        trainer = Trainer(model, arguments, collator, dataset)
        trainer.remove_callback(PrinterCallback)
        start = time.process_time()
        result = trainer.train()
        return time.process_time() - start, result.training_loss


def pieces() -> PreTrainedTokenizerFast:
    """A tokenizer that only pads."""
    tokenizer = XLMRobertaTokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


def measure(size: str, steps: int, rounds: int, longest: int, ways: tuple[str, ...] = WAYS) -> dict[str, Any]:
    """Trains every way in every round.

    Args:
        size: A key of :data:`SIZES`.
        steps: Steps of each training.
        rounds: How often each is trained.
        longest: Tokens of the longest row.
        ways: Which to measure.

    Returns:
        Per way the processor seconds of each round and the mean loss; the machine; real tokens of a training.
    """
    rows, labels = draw(steps * BATCH, SIZES[size][3], longest)
    found: dict[str, dict[str, Any]] = {way: {"seconds": [], "loss": None} for way in ways}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        checkpoint(folder, size)
        runs: dict[str, Callable[[], tuple[float, float]]] = {
            way: (
                (lambda way=way: ours(folder, rows, labels, steps, way == "packed"))
                if way in ("packed", "padded")
                else (lambda way=way: peers(folder, rows, labels, steps, way, longest))
            )
            for way in ways
        }
        for turn in range(rounds):
            for way in np.roll(np.asarray(ways), -turn).tolist():
                seconds, loss = runs[way]()
                found[way]["seconds"].append(seconds)
                found[way]["loss"] = loss
                say(f"  round {turn + 1}, {way}: {seconds:.1f} s")
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "torch": torch.__version__,
    }
    settings = {"size": size, "steps": steps, "rounds": rounds, "max_length": longest, "batch": BATCH}
    return {"settings": settings, "machine": machine, "tokens": sum(map(len, rows)), "ways": found}


def table(result: dict[str, Any]) -> str:
    """The result in Markdown; ratios are medians of the rounds' own, with the least and the largest."""
    lines = ["| way | CPU s | real tokens/s | mean loss | packed is faster by |", "|---|---|---|---|---|"]
    best = result["ways"]["packed"]["seconds"]
    for way, entry in result["ways"].items():
        seconds = statistics.median(entry["seconds"])
        ratios = [theirs / own for theirs, own in zip(entry["seconds"], best, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {way} | {seconds:.1f} | {result['tokens'] / seconds:,.0f} | {entry['loss']:.5f} | {spread} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="minilm")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--output", type=Path, help="a JSON file for the result")
    options = parser.parse_args(arguments)
    for name, least in (("steps", 1), ("rounds", 1), ("max_length", 16)):
        if getattr(options, name) < least:
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)} is refused: at least {least}")
    torch.set_num_threads(1)
    try:
        result = measure(options.size, options.steps, options.rounds, min(options.max_length, 512))
    except StiltsError as error:
        parser.error(str(error))
    print(table(result))
    print(f"{result['machine']}")
    if options.output:
        write_atomic(options.output, json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
