"""Masked language modelling as one more task of an intermediate training: its head, its text, its steps.

Phang et al. 2020 mix multilingual MLM into intermediate training against forgetting. Here its steps are a multiple of
the tasks' own (``mlm.weight``) and are drawn among them at random, as those of a joint training are; the pretrained
head goes on, its output matrix tied to the embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from stilts_xtreme.core.mixing import Mlm
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data import unlabelled
from stilts_xtreme.models.batch import order
from stilts_xtreme.models.encoder import Encoder, Source
from stilts_xtreme.models.tokenizer import refuse_unknown
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.training.fit import Course

NAME = "mlm"
"""The name of its folder in a stage, and of its loss in a curve."""


def mixed_in(
    mlm: Mlm, data: DataSpec, seed: int, encoder: Encoder, tokenizer: Any, source: Source, task_steps: int
) -> tuple[MLMModule, Course]:
    """The head, and its share of a training.

    Args:
        mlm: Its options.
        data: Where text comes from that is not in a folder of its own.
        seed: Decides which texts of a language.
        encoder: The shared encoder.
        tokenizer: Its tokenizer.
        source: The pretrained checkpoint, whose head goes on; fresh where its weights are drawn anew.
        task_steps: Optimiser steps of all tasks together.

    Raises:
        StiltsError: For a checkpoint without such a head, or text that is not there.
    """
    assert mlm.batch_size is not None
    head = head_of(mlm, encoder, tokenizer, source)
    steps, batch = steps_beside(mlm, task_steps), mlm.batch_size
    texts = unlabelled.texts(mlm, data)
    drawn = draw(texts, steps * batch, mlm.exponent, seed)
    total = sum(map(len, drawn.values()))
    say(f"  {NAME}: {total:,} texts in {len(drawn)} languages, {steps:,} steps")
    features = head.features({"text": [text for language in sorted(drawn) for text in drawn[language]]}, tokenizer)
    refuse_unknown(features, tokenizer, source.place, f"the text of {NAME}")
    return head, Course(NAME, features, batch, steps)


def steps_beside(mlm: Mlm, task_steps: int) -> int:
    """Its steps beside those of the tasks."""
    return max(1, round(mlm.weight * task_steps))


def head_of(mlm: Mlm, encoder: Encoder, tokenizer: Any, source: Source) -> MLMModule:
    """The head before its first step.

    Raises:
        StiltsError: For a checkpoint without such a head.
    """
    assert mlm.max_length is not None
    options = HeadOptions(max_length=mlm.max_length)
    return MLMModule(encoder, tokenizer, options, mlm.mask_probability, None if source.random else source)


def draw(texts: Mapping[str, list[str]], wanted: int, exponent: float, seed: int) -> dict[str, list[str]]:
    """Texts of each language in proportion to the number of its texts to the power of ``exponent``.

    Args:
        texts: Language -> texts, at least one each.
        wanted: Texts in all; no more than there are.
        exponent: 1 takes languages as they are, 0 all alike.
        seed: Decides which texts of a language.

    Returns:
        Language -> texts; where a language has fewer than its share, all of them come again and again.
    """
    names = sorted(texts)
    sizes = np.array([len(texts[name]) for name in names], np.float64)
    exact = min(wanted, int(sizes.sum())) * sizes**exponent / (sizes**exponent).sum()
    counts = np.floor(exact).astype(int)
    remainders = np.argsort(-(exact - counts), kind="stable")
    counts[remainders[: round(float(exact.sum())) - int(counts.sum())]] += 1
    found = {}
    for name, count in zip(names, counts, strict=True):
        size = len(texts[name])
        rounds = -(-int(count) // size)
        positions = [at for turn in range(rounds) for at in order(seed, f"{NAME} {name}", turn, size)][:count]
        found[name] = [texts[name][at] for at in positions]
    return found
