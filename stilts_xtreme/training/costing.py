"""Measures what answering costs: latency, throughput, operations, memory and energy of a trained model.

From token ids to the outputs of the head, as an evaluation computes them. Reading rows, tokenizing, decoding answers
and searching candidates are not in it.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.models.batch import Features, concatenate
from stilts_xtreme.models.encoder import Source
from stilts_xtreme.models.flop_count import counted
from stilts_xtreme.models.meters import EnergyMeter, peak_memory, processor
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks.head import HeadModule, quiet
from stilts_xtreme.tasks.saved import Told
from stilts_xtreme.training.answers import head_of
from stilts_xtreme.training.predict import precision_context

BATCHES = (1, 4, 16, 64, 256)
"""Numbers of items among which the best batch is looked for, beside that of the equal batch."""
WARM = 3
"""Items, and batches, before anything is measured."""
ENERGY_SECONDS = 1.0
"""A meter is read at least so long after it was read before: GPUs renew their counters every tenth of a second."""

Figures = dict[tuple[str, str], float]
"""(Language, measure) -> value; the language is empty for what is not about one."""


@dataclass(frozen=True)
class Subject:
    """A trained model that is measured.

    Attributes:
        source: Where it is.
        told: What its head is.
        machine: Device, precision and packing.
        features: Language -> its test rows.
    """

    source: Source
    told: Told
    machine: TrainerSpec
    features: Mapping[str, Features]

    def load(self) -> HeadModule:
        """The model on its device."""
        with quiet():
            return head_of(self.source, self.told, self.machine)


def subject(source: Source, told: Told, machine: TrainerSpec, rows: Mapping[str, Columns], items: int) -> Subject:
    """A model with the first rows of each language as features.

    Args:
        source: Where the model is.
        told: What its head is.
        machine: The machine.
        rows: Language -> canonical rows.
        items: How many rows of each language are taken at the most.
    """
    unread = Subject(source, told, machine, {})
    head = unread.load()
    with quiet():
        tokenizer = load_tokenizer(source)
    first = {code: {name: values[:items] for name, values in own.items()} for code, own in rows.items()}
    return Subject(source, told, machine, {code: head.features(own, tokenizer) for code, own in first.items()})


def device_name(machine: TrainerSpec) -> str:
    """The device in words, with the number of threads on a processor and the arithmetic."""
    if machine.accelerator == "gpu":
        return f"{torch.cuda.get_device_name()}, {machine.precision}"
    return f"{processor()}, {torch.get_num_threads()} threads, {machine.precision}"


def facts(of: Subject, batch: int) -> Figures:
    """What is the same in all rounds: sizes, operations for an item, and the batch at which most items are answered."""
    head = of.load()
    named = [(name, weight.numel()) for name, weight in head.encoder.base.named_parameters()]
    found: Figures = {
        ("", "parameters"): float(sum(count for _, count in named)),
        ("", "parameters_without_embedding"): float(sum(n for name, n in named if "embeddings." not in f".{name}")),
        ("", "equal_batch"): float(batch),
        ("", "best_batch"): float(_best_batch(head, of, batch)),
    }
    with torch.inference_mode():  # without half precision, whose attention is not counted
        for language, features in of.features.items():
            every = range(len(features))
            operations = sum(counted(lambda n=n, f=features: head.arrays(f.take(np.array([n])))) for n in every)  # type: ignore[misc]
            found[language, "flops_per_item"] = operations / len(features)
            found[language, "tokens_per_item"] = float(features.lengths.sum()) / len(features)
    return found


def _best_batch(head: HeadModule, of: Subject, equal: int) -> int:
    features = concatenate(list(of.features.values()))
    speeds: dict[int, float] = {}
    with _answering(of.machine):
        _warm(head, features, 1)
        for size in sorted({*BATCHES, equal}):
            if size > len(features) and speeds:
                break
            try:
                speeds[size] = len(features) / _seconds(lambda size=size: _pass(head, features, size))  # type: ignore[misc]
            except torch.OutOfMemoryError:
                break
            finally:
                if of.machine.accelerator == "gpu":
                    torch.cuda.empty_cache()
    return max(speeds, key=lambda size: speeds[size])


def turn(of: Subject, batch: int, best: int, meter: EnergyMeter | None) -> Figures:
    """One turn of a model: it is loaded, warmed up, and measured in every language.

    Args:
        of: The model.
        batch: Items of a batch that all models have.
        best: Items of the batch at which this one is fastest.
        meter: Of the device's energy; None where there is none.
    """
    head = of.load()
    found: Figures = {}
    with _answering(of.machine):
        for language, features in of.features.items():
            _warm(head, features, batch)
            before = time.process_time()
            found |= {(language, name): value for name, value in latencies(_single(head, features)).items()}
            if of.machine.accelerator == "cpu":  # other programs do not make it longer, unlike the time on the wall
                found[language, "processor_time"] = 1e3 * (time.process_time() - before) / len(features)
            for name, size in (("equal", batch), ("best", best)):
                seconds = _seconds(lambda f=features, size=size: _pass(head, f, size))  # type: ignore[misc]
                found[language, f"items_per_second_{name}"] = len(features) / seconds
                found[language, f"tokens_per_second_{name}"] = float(features.lengths.sum()) / seconds
        if meter is not None:
            found["", "energy_per_item"] = _energy(head, list(of.features.values()), best, meter)
    return found


def latencies(milliseconds: Sequence[float]) -> dict[str, float]:
    """Percentiles of the times of single items, with a straight line between neighbours."""
    found = np.percentile(milliseconds, (50, 95, 99))
    return dict(zip(("latency_p50", "latency_p95", "latency_p99"), map(float, found), strict=True))


def memory(of: Subject, batch: int) -> Figures:
    """The most memory that the model needs while it answers, in MiB.

    On a GPU what was allocated for it there. On a processor what a fresh process had at the most, and what that had
    before the model was loaded.
    """
    if of.machine.accelerator == "gpu":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        _use(of, batch)
        return {("", "peak_memory"): (torch.cuda.max_memory_allocated() - before) / 2**20}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        peak, program = pool.submit(_alone, of, batch, torch.get_num_threads()).result()
    return {("", "peak_memory"): peak / 2**20, ("", "program_memory"): program / 2**20}


def _alone(of: Subject, batch: int, threads: int) -> tuple[int, int]:
    torch.set_num_threads(threads)
    before = peak_memory()
    _use(of, batch)
    return peak_memory(), before


def _use(of: Subject, batch: int) -> None:
    head = of.load()
    with _answering(of.machine):
        for features in of.features.values():
            _pass(head, features, batch)


class _answering:
    """Without gradients, in the arithmetic of predictions."""

    def __init__(self, machine: TrainerSpec):
        self._contexts = (torch.inference_mode(), precision_context(machine))

    def __enter__(self) -> None:
        for context in self._contexts:
            context.__enter__()

    def __exit__(self, *error: Any) -> None:
        for context in reversed(self._contexts):
            context.__exit__(*error)


def _warm(head: HeadModule, features: Features, batch: int) -> None:
    for group in [np.array([n]) for n in range(min(WARM, len(features)))]:
        head.arrays(features.take(group))
    for _, group in zip(range(WARM), _groups(features, batch), strict=False):
        head.arrays(features.take(group))


def _single(head: HeadModule, features: Features) -> list[float]:
    return [1e3 * _seconds(lambda n=n: head.arrays(features.take(np.array([n])))) for n in range(len(features))]  # type: ignore[misc]


def _pass(head: HeadModule, features: Features, batch: int) -> None:
    for group in _groups(features, batch):
        head.arrays(features.take(group))


def _groups(features: Features, batch: int) -> Iterator[np.ndarray]:
    """Batches of items of about one length, as an evaluation has them, the longest first."""
    order = np.argsort(-features.unit_widest, kind="stable")
    for at in range(0, len(order), batch):
        yield order[at : at + batch]


def _seconds(run: Callable[[], object]) -> float:
    """Seconds on the wall; the outputs have come back to the processor's memory, so a GPU is done."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _energy(head: HeadModule, features: Sequence[Features], batch: int, meter: EnergyMeter) -> float:
    """Joules for an item, over all languages."""
    items, before, began = 0, meter.joules(), time.perf_counter()
    while not items or time.perf_counter() - began < ENERGY_SECONDS:
        for part in features:
            _pass(head, part, batch)
            items += len(part)
    return (meter.joules() - before) / items
