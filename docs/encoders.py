"""Writes docs/encoders.md: which types of encoders work, tried on a tiny one of each type.

python docs/encoders.py --output docs/encoders.md
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import TOKENIZER_MAPPING, AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING
from transformers.utils import logging

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.training.pretrain import train_tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from support import encoders

TEXTS = ["The fox jumps over the lazy dog.", "Nairobi is the capital of Kenya.", "北京是首都", "Москва — столица."] * 5
ROWS: dict[str, dict[str, Any]] = {
    "classification": {"text_a": TEXTS[:3], "text_b": ["a dog", "", "the fox sleeps"], "label": [0, 1, 2]},
    "qa": {
        "id": ["a", "b"],
        "context": TEXTS[:2],
        "question": ["Who jumps?", "What?"],
        "answer_texts": [["fox"], ["Kenya"]],
        "answer_starts": [[4], [26]],
    },
    "tagging": {"tokens": [["The", "fox", "jumps"], ["Nairobi"]], "tags": [[0, 1, 2], [1]]},
    "choice": {
        "context": TEXTS[:2],
        "question": ["Why?", "What is it?"],
        "choices": [["a dog", "b"], ["Kenya", "the city of Nairobi"]],
        "label": [0, 1],
    },
    "retrieval": {"text_a": TEXTS[:2], "text_b": TEXTS[1:3]},
    "mlm": {"text": TEXTS[:3]},
}
COLUMNS = {
    "classification": "classification",
    "qa": "question answering",
    "tagging": "tagging",
    "choice": "multiple choice",
    "retrieval": "retrieval",
    "mlm": "MLM",
}
LABELS = {"classification": ("a", "b", "c"), "tagging": ("O", "B-X", "I-X")}

SHAPE: dict[str, Any] = {**encoders.SHAPE, "cls_token_id": 0, "sep_token_id": 2}
"""What most architectures call their sizes; a configuration keeps what it does not know without using it."""
OTHERS = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "emb_dim": 32, "embedding_size": 32}
OWN: dict[str, dict[str, Any]] = {
    "deberta": {"pooler_hidden_size": 32},
    "deberta-v2": {"pooler_hidden_size": 32, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "esmc": {"num_key_value_heads": 2, "head_dim": 16},
    "eurobert": {"num_key_value_heads": 2, "head_dim": 16},
    "funnel": {"block_sizes": [1, 1], "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 48},
    "longformer": {"attention_window": 8},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "mobilebert": {"true_hidden_size": 32, "intra_bottleneck_size": 32},
    "neomme": {"num_key_value_heads": 2, "head_dim": 16},
    "perceiver": {"d_latents": 32, "num_latents": 4, "num_self_attends_per_block": 1, "train_size": [8, 8]},
    "reformer": {
        "num_buckets": 4,
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [8, 16],
        "feed_forward_size": 48,
    },
    "roc_bert": {"pronunciation_vocab_size": 10, "shape_vocab_size": 10},
    "xmod": {"languages": ["en_XX", "de_DE"], "default_language": "en_XX"},
}


def types() -> list[str]:
    """The types of encoders that the installed transformers has a masked-language-model head for."""
    return sorted({config.model_type for config in MODEL_FOR_MASKED_LM_MAPPING})


def tiny(kind: str, vocabulary: int) -> Any:
    """The configuration of a tiny encoder of a type; made of several models, it is as the class makes it."""
    config = type(AutoConfig.for_model(kind))
    if kind in ("modernvbert", "ultravbert"):
        return config()
    names = (set(config().to_dict()) | set(config.attribute_map)) - (
        {"num_hidden_layers"} if kind == "funnel" else set()
    )
    settings = {**SHAPE, **OTHERS, "vocab_size": vocabulary}
    return config(**{**{name: value for name, value in settings.items() if name in names}, **OWN.get(kind, {})})


def scramble(module: torch.nn.Module, seed: int) -> None:
    """Weights of a size that makes every part of a model count."""
    encoders.scramble(module, seed, 0.2)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, torch.nn.Embedding) and part.padding_idx is not None:  # it stays at 0 in every training
                part.weight[part.padding_idx] = 0


@cache
def tokenizer() -> Any:
    """A tokenizer of the kind that XLM-R has."""
    return train_tokenizer(TEXTS, 200, 128)


def checkpoint(kind: str, folder: Path) -> Path:
    """A folder with a tiny encoder and its tokenizer, as a hub model is."""
    config = tiny(kind, len(tokenizer()))
    if kind in ("modernvbert", "ultravbert") or config.is_encoder_decoder:  # its weights are not looked at
        config.save_pretrained(folder)
    else:
        model = AutoModelForMaskedLM.from_config(config)
        scramble(model, 0)
        model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def module_of(head: str, source: Source) -> Any:
    """The module of a head on an encoder."""
    encoder, options = load(source, origin=source), HeadOptions(max_length=64, stride=8)
    if head == "mlm":
        return MLMModule(encoder, load_tokenizer(source), options, 0.3, source)
    return format_of(head).module()(encoder, LABELS.get(head, ()), options)


def outcome(head: str, source: Source) -> str:
    """``works``, or why the head is refused: it is made, trained for a step and asked for its outputs."""
    torch.manual_seed(0)  # the weights of fresh heads
    try:
        module = module_of(head, source)
        features = module.features(ROWS[head], load_tokenizer(source))
        batch = features.take(np.arange(len(features)))
        if module.head is not None:
            module.train().loss(batch).backward()
        if head != "mlm":
            module.eval().outputs(batch)
    except StiltsError as error:
        return str(error).replace(source.place, "ENCODER")
    return "works"


def outcomes(kind: str) -> dict[str, str]:
    """What becomes of every head on a tiny encoder of a type."""
    with tempfile.TemporaryDirectory() as folder:
        source = Source(str(checkpoint(kind, Path(folder))))
        return {head: outcome(head, source) for head in COLUMNS}


def quiet() -> None:
    """Keeps transformers from telling about every weight."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.filterwarnings("ignore")


def fast(kind: str) -> str:
    """Whether the tokenizer that transformers takes for a type is a fast one."""
    config = type(AutoConfig.for_model(kind))
    if config not in TOKENIZER_MAPPING:
        return "as saved"
    named: Any = TOKENIZER_MAPPING[config]
    return "yes" if issubclass(named, PreTrainedTokenizerFast) else "no"


def reason(kind: str, text: str) -> str:
    """Why a head is refused, without what it has of its own: the type, the head, and what rounding decides."""
    text = re.sub(r"^(The \w+ head of )?(The|the)?( encoder| checkpoint)?( ENCODER \(\w+\)| ENCODER|\w+)", "It", text)
    return re.sub(r" \(they differ by [^)]*\)", "", text).replace(f" {kind} ", " ")


def line(kind: str, found: dict[str, str]) -> str:
    """The line of a type in the table."""
    cells = []
    for text in found.values():
        cells.append("works" if text == "works" else "none" if "head in transformers" in text else "refused")
    return f"| `{kind}` | {fast(kind)} | {' | '.join(cells)} |"


def whys(found: dict[str, dict[str, str]]) -> str:
    """The reasons, each with the types that it stops."""
    types_of: dict[str, list[str]] = {}
    for kind, heads in found.items():
        for text in heads.values():
            if text != "works" and "head in transformers" not in text:
                kinds = types_of.setdefault(reason(kind, text), [])
                kinds += [] if kind in kinds else [kind]
    return "\n".join(f"- {', '.join(f'`{kind}`' for kind in kinds)}: {text}" for text, kinds in types_of.items())


BEFORE = """# Which encoders work

This page is made by `python docs/encoders.py --output docs/encoders.md`, with transformers {version}. It lists every
type of encoder (`model_type` in `config.json`) that transformers has a masked-language-model head for. A tiny encoder
of each type was made. Each head was put on it, trained for one step, and asked for its outputs.

- **works**: the head gives what Hugging Face's own model with the same weights gives, up to rounding.
- **none**: transformers has no such head for this type.
- **refused**: the program stops before any training. [The reasons](#why-types-are-refused) stand below the table.

You need no list: when a head is made, the program compares it with Hugging Face's model on two short rows
([how](#how-heads-are-compared)). So a type that is not in the table is checked in the same way.

*Fast tokenizer* says whether the tokenizer that transformers takes for a type is a fast one. The program needs a fast
one. "As saved" means that the files of the checkpoint decide it. A checkpoint with a `tokenizer.json` can have a fast
one in any case.
"""

AFTER = """
## How heads are compared

Two rows of different lengths go through Hugging Face's model, padded to the same length. The shorter row goes through
it alone, too. If its numbers change with padding, the encoder is refused: its scores would depend on which rows happen
to be in one batch.

Then the same rows go the program's own way: without padding where the type allows it, and with the last layer computed
only for the tokens that the head looks at. If the numbers are equal, this way is taken. Otherwise the head looks at
more than hidden states, as the heads of ALBERT, EuroBERT and Longformer do. Then it is run together with its encoder,
as Hugging Face runs it.

## What else is checked before training

- **The tokenizer belongs to the encoder.** It has about as many sub-tokens as the embedding has rows, and none beyond
  them.
- **The tokenizer reads the language.** If nine of ten sub-tokens in the first rows of the training language are
  unknown, the run is refused. It is also refused if this holds for all languages of an evaluation. One test language
  that the encoder cannot read is a result: it is named in a warning, and its score counts.
- **Rows are not longer than the encoder takes.** `max_length` is compared with the encoder's table of positions.
  RoBERTa's family leaves some rows of it unused.
- **All weights are there.** A checkpoint whose names do not fit the architecture is refused, and so is one with a
  decoder (`is_decoder`).

## What to know about some types

- **X-MOD** has adapters for each language, and one of them is used for all rows. Choose it before you save the encoder,
  with `model.set_default_language("en_XX")`. An encoder without a default language is refused.
- **XLM** with embeddings of languages is run without them, as Hugging Face does when no language is given.
- **BigBird** looks at all tokens of a row (`attention_type="original_full"`), whatever the length of the row.
- **EuroBERT** classifies with the pooling that its `config.json` names. ModernBERT and its relatives classify with the
  first token.
"""


def page() -> str:
    """The whole page."""
    found = {kind: outcomes(kind) for kind in types()}
    head = f"| type | fast tokenizer | {' | '.join(COLUMNS.values())} |"
    rule = "| --- " * (len(COLUMNS) + 2) + "|"
    table = "\n".join([head, rule, *(line(kind, heads) for kind, heads in found.items())])
    before = BEFORE.format(version=transformers.__version__)
    return f"{before}\n{table}\n\n## Why types are refused\n\n{whys(found)}\n{AFTER}"


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/encoders.md"), help="the page that is written")
    output = parser.parse_args().output
    quiet()
    output.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
