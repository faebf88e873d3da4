"""Encoders without a masked-language-model head, and with code of their own beside an architecture of transformers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.encoders import EXTRA, FAMILIES, SHAPE, unigram
from transformers import AutoConfig, AutoModel

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.options import HeadOptions

ROWS: dict[str, dict[str, Any]] = {
    "classification": {"text_a": ["a dog", "the fox"], "text_b": ["", "sleeps"], "label": [0, 1]},
    "qa": {
        "id": ["a"],
        "context": ["The fox"],
        "question": ["Who?"],
        "answer_texts": [["fox"]],
        "answer_starts": [[4]],
    },
    "tagging": {"tokens": [["The", "fox"], ["a"]], "tags": [[0, 1], [1]]},
    "choice": {"context": ["The fox"], "question": ["Why?"], "choices": [["a", "b"]], "label": [0]},
    "retrieval": {"text_a": ["a dog"], "text_b": ["the fox"]},
}
LABELS = {"classification": ("a", "b"), "tagging": ("A", "B")}


def headless(kind: str, folder: Path) -> Source:
    config = AutoConfig.for_model(kind, **{**SHAPE, "vocab_size": 300, **EXTRA.get(kind, {})})
    torch.manual_seed(1)
    AutoModel.from_config(config).save_pretrained(folder)
    unigram().save_pretrained(folder)
    return Source(str(folder))


@pytest.mark.parametrize("kind", FAMILIES)
def test_it_works_for_every_task(kind: str, tmp_path: Path) -> None:
    source = headless(kind, tmp_path)
    for head, rows in ROWS.items():
        encoder = load(source, origin=source)
        module = format_of(head).module()(encoder, LABELS.get(head, ()), HeadOptions(max_length=32, stride=4))
        features = module.features(rows, unigram())
        batch = features.take(np.arange(len(features)))
        if module.head is not None:
            module.train().loss(batch).backward()
            assert any(weight.grad is not None for weight in encoder.parameters())
        with torch.no_grad():
            assert all(torch.isfinite(output.float()).all() for output in module.eval().outputs(batch))


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "modernbert", "deberta-v2"])
def test_the_head_is_asked_for_where_it_is_needed(kind: str, tmp_path: Path) -> None:
    source = headless(kind, tmp_path)
    with pytest.raises(StiltsError, match=r"has no masked-language-model head \(.*leave mlm\.weight at 0"):
        MLMModule(load(source), unigram(), HeadOptions(max_length=32), 0.15, source)


def test_code_of_its_own_is_not_run_where_transformers_has_the_architecture(tmp_path: Path) -> None:
    """EuroBERT's checkpoints name code; the architecture is in transformers."""
    config = AutoConfig.for_model("eurobert", **SHAPE, vocab_size=300, num_key_value_heads=2, head_dim=16)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    written["auto_map"] = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    (tmp_path / "config.json").write_text(json.dumps(written))
    (tmp_path / "own.py").write_text("raise SystemExit('run')")
    assert type(load(Source(str(tmp_path))).base).__module__.startswith("transformers.")
    written["model_type"] = "new"
    (tmp_path / "config.json").write_text(json.dumps(written))
    with pytest.raises(StiltsError, match="needs code of its own"):
        load(Source(str(tmp_path)))
