"""Modules of every head on a tiny encoder, rows for each of them, and their batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from stilts_xtreme.core.specs import TrainerSpec
from stilts_xtreme.models.batch import Features
from stilts_xtreme.tasks import format_of
from support.encoders import bare_encoder, scramble
from support.features import LABELS, options

ROWS: dict[str, dict[str, list]] = {
    "classification": {
        "id": [*"abcdefg"],
        "text_a": ["Nairobi is the capital.", "北京", "ภาษาไทย", "fox", "it sleeps, and then", "Kenya", "lazy dog"],
        "text_b": ["the sea", "", "القاهرة هي عاصمة مصر وأكبر مدنها", "dog", "fox", "", "क़िला पुराना है"],
        "label": [0, 1, 2, 1, 0, 2, 1],
    },
    "choice": {
        "id": [*"abcde"],
        "context": ["The fox jumps.", "", "ประเทศไทย", "", "Москва"],
        "question": ["Why?", "What is the capital of Kenya?", "北京", "quick", ""],
        "choices": [["a", "bb"], ["Nairobi", "Dodoma", "Ankara"], ["1", "2", "3", "4"], ["x", "y"], [*"abcde"]],
        "label": [1, 0, 3, 0, 4],
    },
    "tagging": {
        "id": [*"abcdef"],
        "tokens": [["Nairobi", "is", "a", "city"], [], ["ภาษาไทย", "", "北京"], ["x"] * 30, ["w" * 60, "b"], ["fox"]],
        "tags": [[1, 0, 0, 3], [], [1, 2, 3], [0, 1] * 15, [2, 0], [0]],
    },
    "qa": {
        "id": [*"abcd"],
        "context": ["Nairobi is the capital of Kenya. " * 6, "北京是中华人民共和国的首都。", "", "No answer in here."],
        "question": ["What is the capital?", "首都?", "Why?", "Who?"],
        "answer_texts": [["Kenya"], ["北京", "x"], [], []],
        "answer_starts": [[26], [0, 1], [], []],
    },
    "bitext": {
        "id": ["f1", "f2", "f3", "e1", "e2"],
        "text": ["北京是首都", "ภาษาไทย", "القاهرة هي عاصمة مصر", "the lazy dog sleeps, and then", "Kenya"],
        "side": ["foreign"] * 3 + ["english"] * 2,
        "gold": [["e2"], [], ["e1"], [], []],
    },
    "ranking": {
        "id": [*"abcd"],
        "query": ["What is the capital?", "首都?", "", "ภาษาไทย"],
        "text": ["Nairobi is.", "北京是中华人民共和国的首都。", "x", "القاهرة"],
        "context": ["Nairobi is. Cairo is.", "北京", "", "هي عاصمة مصر"],
        "gold": [["1_0"], ["2_0"], ["3_0"], ["2_0", "4_0"]],
    },
    "retrieval": {
        "id": [*"abcd"],
        "text_a": ["北京是", "القاهرة هي عاصمة", "Mji mkuu", "  Ankara'dır "],
        "text_b": ["Beijing is", "Cairo is the capital", "the capital", "Ankara is"],
    },
}


def module_of(kind: str, family: str = "xlm-roberta", **changes: Any) -> Any:
    """A head with large random weights on a tiny encoder, without dropout."""
    module = format_of(kind).module()(bare_encoder(family), LABELS[kind], options(**changes))
    scramble(module, 7)
    return module.eval()


def spec(budget: int = 8192) -> TrainerSpec:
    return TrainerSpec(accelerator="cpu", precision="32-true", micro_batch_tokens=budget)


def whole_batch(features: Features, task: str = "") -> Any:
    return features.take(np.arange(len(features)), task)


def inputs_of(batch: Any) -> dict[str, torch.Tensor]:
    parts = batch.ids.split(batch.lengths.tolist())
    found = {
        "input_ids": pad_sequence(parts, batch_first=True, padding_value=1),
        "attention_mask": pad_sequence([torch.ones_like(part) for part in parts], batch_first=True),
    }
    if batch.types is not None:
        found["token_type_ids"] = pad_sequence(batch.types.split(batch.lengths.tolist()), batch_first=True)
    return found
