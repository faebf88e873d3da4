"""Tiny encoders of every supported family, tokenizers of three kinds, and odd text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerFast

from stilts_xtreme.models.batch import Features, expand, spans
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.training.pretrain import SPECIALS, train_tokenizer

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 130,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
EXTRA: dict[str, dict[str, Any]] = {
    "xlm-roberta": {"type_vocab_size": 1},
    "bert": {"type_vocab_size": 2},
    "roberta": {"type_vocab_size": 1},
    "deberta-v2": {
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": 16,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pooler_hidden_size": 32,
    },
    "modernbert": {"local_attention": 8, "global_attn_every_n_layers": 2, "cls_token_id": 0, "sep_token_id": 2},
    "xlm-roberta-xl": {"type_vocab_size": 1},
}
FAMILIES = tuple(EXTRA)
POOLED = ("bert", "roberta", "xlm-roberta", "xlm-roberta-xl")
"""Families whose base model has a pooler of its own."""

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps.",
    "Nairobi is the capital of Kenya; it lies 1,795 metres above the sea.",
    "ประเทศไทยมีกรุงเทพมหานครเป็นเมืองหลวง ภาษาไทยไม่เว้นวรรค",
    "القاهرة هي عاصمة مصر وأكبر مدنها",
    "नई दिल्ली भारत की राजधानी है और क़िला पुराना है",
    "北京是中华人民共和国的首都。我喜欢学习语言。",
    "東京は日本の首都です。ひらがなとカタカナ",
    "Mji mkuu wa Tanzania ni Dodoma, siyo Dar es Salaam.",
    "Türkiye'nin başkenti Ankara'dır; İstanbul en büyük şehridir.",
    "Москва — столица России, а Київ — столиця України.",
]


@lru_cache
def unigram() -> PreTrainedTokenizerFast:
    """Like XLM-R's."""
    return train_tokenizer(TEXTS * 3, 300, 128)


def _wrapped(tokenizer: Tokenizer, **names: Any) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=128, **names)


ROLES = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


@lru_cache
def byte_level(prefix: bool = True) -> PreTrainedTokenizerFast:
    """Like RoBERTa's; without ``prefix`` like ModernBERT's, which leaves the first word of a text unmarked."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=prefix
    )
    return _wrapped(tokenizer, **ROLES, model_input_names=["input_ids", "attention_mask"])


@lru_cache
def word_piece() -> PreTrainedTokenizerFast:
    """Like multilingual BERT's: Chinese characters apart, unknown words whole, segment ids."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    tokenizer.train_from_iterator(
        TEXTS[:5], trainers.WordPieceTrainer(vocab_size=300, special_tokens=specials, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 0), ("[SEP]", 2)]
    )
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    return _wrapped(
        tokenizer,
        **names,
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


TOKENIZERS = {
    "unigram": unigram,
    "byte_level": byte_level,
    "byte_level_bare": lambda: byte_level(False),
    "word_piece": word_piece,
}
FAMILY_OF = {
    "unigram": "xlm-roberta",
    "byte_level": "roberta",
    "byte_level_bare": "modernbert",
    "word_piece": "bert",
}
"""The family that a tokenizer is tried with."""


def config_of(family: str, dropout: float = 0.0, **changes: Any) -> Any:
    """A configuration of a tiny encoder, by default without dropout."""
    off = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    if family == "modernbert":
        off = ("embedding_dropout", "attention_dropout", "mlp_dropout", "classifier_dropout")
    settings = {**SHAPE, **EXTRA[family], **dict.fromkeys(off, dropout), "vocab_size": 420, **changes}
    return AutoConfig.for_model(family, **settings)


def scramble(module: torch.nn.Module, seed: int = 0, spread: float = 0.3) -> None:
    """Weights, biases and norms of a size that makes every part of a model count."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(spread * torch.randn(weight.shape, generator=generator) + (weight.ndim == 1) * 0.1)


def checkpoint(folder: Path, family: str, kind: Any = AutoModelForMaskedLM, **changes: Any) -> Path:
    """A saved checkpoint with the given head class, as a hub model is."""
    model = kind.from_config(config_of(family, **changes))
    scramble(model)
    model.save_pretrained(folder)
    return folder


def bare_encoder(family: str = "xlm-roberta", dropout: float = 0.0, seed: int = 0, **changes: Any) -> Encoder:
    """An encoder in memory, without a pooler."""
    base = AutoModel.from_config(config_of(family, dropout, **changes))
    scramble(base, seed)
    if hasattr(base, "pooler"):
        base.pooler = None
    return Encoder(base, None).eval()


def features_of(units: Sequence[Sequence[Sequence[int]]], types: bool = False) -> Features:
    """Features of units given as lists of sequences of token ids."""
    sequences = [sequence for unit in units for sequence in unit]
    ids = np.asarray([token for sequence in sequences for token in sequence], np.int32)
    return Features(
        ids=ids,
        lengths=np.asarray([len(sequence) for sequence in sequences], np.int64),
        units=np.asarray([len(unit) for unit in units], np.int64),
        types=(ids % 2).astype(np.int8) if types else None,
        rows=np.arange(len(units)),
    )


def sequences_of(batch: Any) -> list[list[int]]:
    """The sequences of a batch as lists."""
    return [part.tolist() for part in batch.ids.split(batch.lengths.tolist())]


def token_slice(features: Features, unit: int) -> np.ndarray:
    """Positions of a unit's tokens."""
    first = spans(features.units)[unit]
    sequences = np.arange(first, first + features.units[unit])
    return expand(spans(features.lengths)[sequences], features.lengths[sequences])


ODD_WORDS = [
    "",
    " ",
    "a",
    "Nairobi",
    "don't",
    "ภาษาไทย",
    "น้ำ",
    "القاهرة",
    "मُحَمَّد",
    "क़िला",
    "की",
    "北京",
    "中华人民共和国",
    "東京は日本",
    "😀",
    "👩‍👩‍👧",
    "\u200b",
    "\u200d",
    "x\u200by",
    "\ufeff",
    "\u00ad",
    "ﷺ",
    "ﬁn",
    "e\u0301",
    "\u0301",
    "Ⅳ",
    "½",
    "▁",
    "▁▁a",
    "Ġ",
    "<s>",
    "</s>",
    "<mask>",
    "<unk>",
    "[SEP]",
    "a b",
    "\u3000",
    "\xa0",
    "\x00",
    "\x07",
    "\t",
    "\n",
    "\r\n",
    "\u2028",
    "🏳️‍🌈",
    "𝕏",
    "İ",
    "ß",
    "w" * 40,
    "ไ" * 25,
    "中" * 50,
    "😀" * 12,
]
ODD_CHARACTERS = "ab 1.\t\n\u200b\u200d\xa0\u3000▁éŹกำ์ักي ًकि़्中北。😀👩🏽\ufeff\u00ad\u0301ﷺﬁ½\x00\x07"
odd_words = st.one_of(st.sampled_from(ODD_WORDS), st.text(ODD_CHARACTERS, max_size=8), st.text(max_size=6))
odd_texts = st.one_of(
    st.text(ODD_CHARACTERS, max_size=60),
    st.lists(odd_words, max_size=14).map(" ".join),
    st.lists(odd_words, max_size=14).map("".join),
)
