"""Training of a head: packed, padded, and by Hugging Face's Trainer, on the same work.

python -m benchmarks.training [--head pairs|tagging|qa|choice] [--size mini|minilm|base] [--steps N] [--rounds N]

Every way trains the same weights on the same rows in the same number of steps and effective batch, with fused AdamW,
in single precision without dropout, on one thread. All but "Trainer, by length" take the same rows in each step, too,
so that their mean losses must agree.

  packed               this project's default
  padded               trainer.packing=false trainer.compact_embedding=false
  Trainer, by length   batches as Trainer groups them (group_by_length), padded to the longest of a batch
  Trainer, dynamic     random batches, padded to the longest of a batch
  Trainer, longest     random batches, every row padded to the most tokens a row may have

Lengths are drawn, weights are random. What is assumed of the data, not measured on it:

  head      Trainer's collator                    batch          tokens of a sequence (log-normal)   at most
  pairs     DataCollatorWithPadding               32             mean 39, as of MNLI                 128
  tagging   DataCollatorForTokenClassification    32             mean 25, half of them tagged        128
  qa        DataCollatorWithPadding               16 windows     mean 180, as of SQuAD               384
  choice    DataCollatorForMultipleChoice         8 x 4 choices  mean 90, three quarters shared      128

--pieces is how many of the vocabulary's pieces occur in the whole training set: embedding rows that "packed" trains.
Trainer groups by length within 50 batches. Such 50 batches are drawn and grouped by Trainer's own function. Of fewer
steps than that, as many of the groups are trained, spread evenly from the longest to the shortest; the longest rows are
mostly not among them, so that dynamic padding looks cheaper than it is: "positions/token" says what a way computes for
a real token. The lengths of multiple choice are given to Trainer, which itself takes them for the number of choices.
Its loss of qa counts padding positions; they are masked here, so that it can be compared.

With --real, encoder and rows are those of a run with the given options, and each way has a process of its own, whose
memory is measured ("process MiB"). The rows are of QQP, Universal Dependencies, SQuAD 1.1 and CommonsenseQA:

python -m benchmarks.training --head tagging --real model=me5_small model.layers=6 recipe=small data.root=FOLDER

On a GPU, in bfloat16, with all of Trainer's own means (bf16, tf32, fused AdamW, scaled dot products); then the clock on
the wall counts, peak memory and the part of the card's own matrix rate are shown too:

python -m benchmarks.training --device cuda --size large --steps 200
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, PrinterCallback, Trainer, TrainingArguments

from benchmarks import rounds as plumbing
from benchmarks.jobs import GROUP, JOBS, PIECES, Job, draw, masked, rows_of
from benchmarks.models import SIZES, checkpoint, matrix_rate, operations, padder
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.models import sparse_embedding
from stilts_xtreme.models.batch import Features, order
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.module import Optimisation
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.training.callbacks import Guard
from stilts_xtreme.training.fit import Course, StepStream, fit

RATE = 2e-5
OURS = ("packed", "padded")
WAYS = (*OURS, "Trainer, by length", "Trainer, dynamic", "Trainer, longest")


def held(optimizer: Any) -> int:
    """MiB of an optimizer's state."""
    found = (value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value))
    return round(sum(value.nbytes for value in found) / 2**20)


def peak(device: str, restart: bool = False) -> dict[str, int]:
    """MiB of a GPU's memory at the most, or nothing without one; ``restart`` begins to count."""
    if device != "cuda":
        return {}
    if restart:
        torch.cuda.reset_peak_memory_stats()
    return {"peak MiB": torch.cuda.max_memory_allocated() // 2**20}


@dataclass(frozen=True)
class Work:
    """What every way does: its checkpoint, its rows, its steps, where."""

    folder: Path
    job: Job
    features: Features
    steps: int
    device: str = "cpu"


def ours(clock: plumbing.Clock, work: Work, pieces: np.ndarray, packed: bool) -> Mapping[str, Any]:
    """A training with Lightning as a stage has it."""
    job, source = work.job, Source(str(work.folder))
    encoder = load(source, packed=packed)
    head = format_of(job.head).module()(encoder, job.labels, HeadOptions(max_length=512), source)
    head.optimisation = Optimisation(RATE, work.steps, 0, 0.0, 1e-8, 1.0, 0, 8192)
    points: list[dict[str, Any]] = []
    stream = StepStream([Course(job.head, work.features, job.batch, work.steps)], 0)
    kind = ("gpu", "bf16-mixed") if work.device == "cuda" else ("cpu", "32-true")
    spec = TrainerSpec(*kind, checkpoint_seconds=1e9, progress=False)
    peak(work.device, restart=True)
    with tempfile.TemporaryDirectory() as scratch, phase("training", work.steps, False) as bar:
        with clock:
            if packed:
                sparse_embedding.shrink(encoder, [pieces])
            trainer = fit(head, stream, spec, [Guard(bar, "training", points.append)], Path(scratch))
            sparse_embedding.restore(encoder)
        size = held(trainer.optimizers[0])
    mean = statistics.fmean(point["loss"] for point in points)
    return {"mean loss": mean, "optimizer MiB": size, **peak(work.device)}


def theirs(clock: plumbing.Clock, work: Work, longest: int, way: str) -> Mapping[str, Any]:
    """A training with ``Trainer``."""
    job = work.job
    model = job.model.from_pretrained(work.folder)
    if job.head == "qa":
        model.__class__ = masked(type(model))
    if way == "Trainer, longest":
        collator = job.collator(padder(), padding="max_length", max_length=longest)
    else:
        collator = job.collator(padder())
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            max_steps=work.steps,
            per_device_train_batch_size=job.batch,
            learning_rate=RATE,
            weight_decay=0.0,
            lr_scheduler_type="linear",
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            train_sampling_strategy="sequential",
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            use_cpu=work.device == "cpu",
            bf16=work.device == "cuda",
            tf32=True if work.device == "cuda" else None,
            disable_tqdm=True,
            seed=0,
        )
        trainer = Trainer(model, arguments, collator, rows_of(work.features, turns_of(work, way)))
        trainer.remove_callback(PrinterCallback)
        peak(work.device, restart=True)
        with clock:
            result = trainer.train()
        return {"mean loss": result.training_loss, "optimizer MiB": held(trainer.optimizer), **peak(work.device)}


def turns_of(work: Work, way: str) -> np.ndarray:
    """The units of a training with ``Trainer``, in order; the rows lie in groups of a length."""
    count = len(work.features)
    return np.arange(count) if way == "Trainer, by length" else order(0, work.job.head, 0, count)


def positions(work: Work, longest: int, way: str) -> float:
    """What a way computes for a real token: 1 without padding."""
    if way == "packed":
        return 1.0
    batches = turns_of(work, way).reshape(-1, work.job.batch)
    widest = work.features.unit_widest[batches].max(1, keepdims=True)
    width = np.full_like(widest, longest) if way == "Trainer, longest" else widest
    return float((width * work.features.units[batches]).sum() / len(work.features.ids))


def measure(
    head: str,
    size: str,
    steps: int,
    rounds: int,
    pieces: int = PIECES,
    max_length: int | None = None,
    batch: int | None = None,
    device: str = "cpu",
    against: Sequence[str] = WAYS[1:],
    real: Sequence[str] = (),
) -> dict[str, Any]:
    """Trains every way in every round.

    Args:
        head: A key of :data:`JOBS`.
        size: A key of :data:`SIZES`.
        steps: Steps of each training.
        rounds: How often each is trained.
        pieces: Pieces of the vocabulary that occur in the training set.
        max_length: Tokens of the longest sequence; None is the head's own.
        batch: Examples of a step; None is the head's own number.
        device: ``cpu`` or ``cuda``.
        against: Which ways to measure beside "packed".
        real: Options of a run that choose a real encoder and real rows; none: both are made up.

    Raises:
        StiltsError: When no such encoder takes these rows.
    """
    job = replace(JOBS[head], batch=batch or JOBS[head].batch)
    longest = max_length or job.longest
    if longest > 512:
        raise StiltsError(f"--max-length {longest} is refused: the encoder takes 512 tokens at most.")
    if device == "cuda" and not torch.cuda.is_available():
        raise StiltsError(f"--device cuda is refused: torch {torch.__version__} finds no CUDA device it can use.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if real:
            from benchmarks.real import apart, prepare

            job, features = prepare(head, job, real, steps, folder)
            longest, met = job.longest, np.unique(features.ids)
        else:
            met = np.arange(min(pieces, SIZES[size][3]))
            features = draw(job, steps, len(met), longest)
            checkpoint(folder, size, job.model, job.labels)
        task = Work(folder, job, features, steps, device)
        runs: dict[str, plumbing.Way] = {
            way: partial(ours, work=task, pieces=met, packed=way == "packed")
            if way in OURS
            else partial(theirs, work=task, longest=longest, way=way)
            for way in dict.fromkeys((WAYS[0], *against))
        }
        if real and device == "cpu":
            runs = {name: apart(way) for name, way in runs.items()}
        found = plumbing.turns(runs, rounds)
        config = AutoConfig.from_pretrained(folder)
    for way, entry in found.items():
        if way == "padded":
            continue  # in micro-batches of their own widths
        entry["facts"]["positions/token"] = f"{positions(task, longest, way):.2f}"
    if device == "cuda":
        rate = matrix_rate(device, torch.bfloat16)
        for entry in found.values():
            needed = operations(config.num_hidden_layers, config.hidden_size, features.lengths)
            used = needed / statistics.median(entry["wall"]) / rate
            entry["facts"]["of the matrix rate"] = f"{used:.0%}"
    settings: dict[str, Any] = {"head": head, "steps": steps, "rounds": rounds, "pieces": len(met)}
    settings |= {"max_length": longest, **({"real": list(real)} if real else {"size": size})}
    settings |= {"batch": job.batch, "mean_tokens": round(float(features.lengths.mean()), 1), "device": device}
    work = {"real tokens": len(features.ids), "examples": len(features)}
    return {"settings": settings, "work": work, "ways": found, "clock": "wall" if device == "cuda" else "cpu"}


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = plumbing.parser("training", __doc__ or "", rounds=2)
    parser.add_argument("--head", choices=JOBS, default="pairs", help="what is trained (%(default)s)")
    parser.add_argument("--size", choices=SIZES, default="minilm", help="of the encoder (%(default)s)")
    parser.add_argument("--steps", type=plumbing.at_least(1), default=GROUP, help="of a training (%(default)s)")
    parser.add_argument("--pieces", type=plumbing.at_least(100), default=PIECES, help="see above (%(default)s)")
    peers = {"choices": WAYS[1:], "default": WAYS[1:], "metavar": "WAY"}
    parser.add_argument("--against", nargs="+", **peers, help='such as "Trainer, dynamic" (all of them)')
    parser.add_argument("--max-length", type=plumbing.at_least(16), help="tokens; else as above")
    parser.add_argument("--batch", type=plumbing.at_least(1), help="examples of a step; else as above")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: in bfloat16 (%(default)s)")
    parser.add_argument("--real", nargs="+", default=(), metavar="OPTION", help="real encoder and rows, see above")
    plumbing.run(parser, arguments, measure)


if __name__ == "__main__":
    main()
