"""Pretraining of ``mini``: a unigram tokenizer and an encoder learned from the text of the data at hand."""

from __future__ import annotations

import dataclasses
import io
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import RESUME
from stilts_xtreme.core.progress import phase
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Pretraining
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data.corpus import world_corpus
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.models.batch import Features, fill, order
from stilts_xtreme.models.encoder import Encoder
from stilts_xtreme.tasks.card import OURS, UNKNOWN, About
from stilts_xtreme.tasks.checkpoint import lineage, save
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.module import Optimisation, Step
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.training.callbacks import Guard
from stilts_xtreme.training.fit import StepStream, fit, write_curve

SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""The first four stand at XLM-R's positions, 0 to 3; the mask follows."""

SEED = 0
"""Pretraining is a constant of the model, as a downloaded encoder's is: the cell's seed does not change it."""


def texts_of(
    specs: Sequence[DatasetSpec], data: DataSpec, limit: int, languages: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """The corpus: language -> texts, evenly thinned to about ``limit`` in all.

    Args:
        specs: The data sets whose text it is; none for the synthetic world's own.
        data: Where rows come from.
        limit: Texts.
        languages: Those that are taken; None: all.
    """
    texts: dict[str, list[str]] = {}
    if specs:
        for spec in specs:
            for language, found in source_of(spec, data).corpus().items():
                if languages is None or language in languages:
                    texts.setdefault(language, []).extend(found)
    else:
        texts = world_corpus(data, languages)
    total = sum(map(len, texts.values()))
    if total > limit:
        every = total / limit
        texts = {
            language: [found[int(at)] for at in np.arange(0, len(found), every)] for language, found in texts.items()
        }
    return {language: [text for text in dict.fromkeys(found) if text.strip()] for language, found in texts.items()}


def character_coverage(texts: list[str], vocabulary: int) -> float:
    """The share of the text's characters that get a piece of their own: all, unless they would fill the vocabulary.

    Args:
        texts: The text.
        vocabulary: Pieces at the most.

    Raises:
        StiltsError: When not even 98 %, SentencePiece's least, fit.
    """
    counts = Counter(character for text in texts for character in unicodedata.normalize("NFKC", text))
    total = sum(counts.values())
    reached = np.cumsum(sorted(counts.values(), reverse=True)) / total
    for coverage in (1.0, 0.9995, 0.995, 0.98):
        needed = int(np.searchsorted(reached, coverage - 1e-12)) + 1
        if needed <= vocabulary // 2 or (coverage == 0.98 and needed <= 0.9 * vocabulary):
            return coverage
    raise StiltsError(
        f"model.architecture.vocab_size={vocabulary + len(SPECIALS)} is too small for the text's {len(counts)} "
        f"characters; take at least {math.ceil(needed / 0.9) + len(SPECIALS)}."
    )


def train_tokenizer(texts: list[str], vocabulary: int, max_length: int) -> PreTrainedTokenizerFast:
    """A unigram tokenizer like XLM-R's: NFKC, words marked with '▁', pairs as ``<s> A </s></s> B </s>``.

    The pieces are learned by SentencePiece, as XLM-R's were. The trainer of ``tokenizers`` gives other scores each time
    it runs on the same text, so that no run could be repeated.

    Args:
        texts: What to learn from.
        vocabulary: Pieces at the most; little text gives fewer.
        max_length: The longest sequence that the encoder takes.
    """
    coverage = character_coverage(texts, vocabulary - len(SPECIALS))
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="unigram",
        vocab_size=vocabulary - len(SPECIALS),
        hard_vocab_limit=False,
        character_coverage=coverage,
        normalization_rule_name="nfkc",
        bos_id=-1,
        eos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    learned = SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [
        (learned.id_to_piece(at), learned.get_score(at)) for at in range(len(learned)) if not learned.is_unknown(at)
    ]
    letters = [piece for piece in pieces if len(piece[0]) == 1]  # whatever is dropped, all text can be written
    others = [piece for piece in pieces if len(piece[0]) > 1]
    others += whole_words(texts, {piece for piece, _ in pieces})
    others.sort(key=lambda piece: (-piece[1], piece[0]))
    pieces = letters + others[: vocabulary - len(SPECIALS) - len(letters)]
    vocabulary_list = [(name, 0.0) for name in SPECIALS] + [piece for piece in pieces if piece[0] not in SPECIALS]
    tokenizer = Tokenizer(models.Unigram(vocabulary_list, unk_id=SPECIALS.index("<unk>")))
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    first, last = tokenizer.token_to_id("<s>"), tokenizer.token_to_id("</s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", first), ("</s>", last)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
    )


def whole_words(texts: list[str], known: set[str]) -> list[tuple[str, float]]:
    """Words that occur more than once and are no piece yet, with the logarithm of their share of all words as score.

    On text with few different words, expectation maximisation ends with some of the most frequent words in pieces that
    occur nowhere else, and with more text, strings of several words of a language without spaces take their places.

    Args:
        texts: What the pieces were learned from.
        known: The pieces, a word's first one with '▁'.
    """
    written = Counter(word for text in texts for word in unicodedata.normalize("NFKC", text).split())
    counts: Counter[str] = Counter()
    for word, count in written.items():
        bare = word.strip("".join(c for c in word if unicodedata.category(c)[0] == "P"))
        if bare:
            counts["▁" + bare] += count
    total = sum(counts.values())
    missing = [(word, count) for word, count in counts.items() if word not in known and count > 1]
    missing.sort(key=lambda item: (-item[1], item[0]))
    return [(word, math.log(count / total)) for word, count in missing]


class TokenStream(StepStream):
    """Steps that hold about the same number of tokens, drawn from the corpus in a new order each pass."""

    def __init__(self, features: Features, tokens: int, steps: int, seed: int):
        self.features, self.seed, self.next = features, seed, 0
        self.plan: list[np.ndarray] = []
        epoch = 0
        while len(self.plan) < steps:
            drawn = order(seed, "pretrain", epoch, len(features))
            # sentences of like length share a step, so that little of it is padding; the steps are shuffled again
            block = 64 * max(1, int(tokens / max(1.0, float(features.unit_widest.mean()))))
            groups = []
            for at in range(0, len(drawn), block):
                part = drawn[at : at + block]
                groups += [part[group] for group in fill(features.unit_widest[part], features.units[part], tokens)]
            self.plan += [groups[at] for at in order(seed, "steps", epoch, len(groups))]
            epoch += 1
        self.plan = self.plan[:steps]

    def __len__(self) -> int:
        return len(self.plan)

    def step(self, index: int) -> Step:
        """The texts of step ``index``."""
        return Step("mlm", self.features, self.plan[index], index)


def pretrain(
    cell: Cell, stage: Pretraining, scratch: Path, on_point: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Learns the tokenizer and the encoder, and writes them as ``models/pretrained``.

    Args:
        cell: The cell, for its model, data and machine.
        stage: The stage being made.
        scratch: Its scratch folder.
        on_point: Told every point of the training curve.

    Returns:
        Facts for the manifest.
    """
    settings, shape = stage.settings, dict(stage.architecture)
    texts = texts_of(stage.specs(), cell.data, int(settings["max_sentences"]), cell.model.languages)
    everything = [text for language in sorted(texts) for text in texts[language]]
    if len(everything) < 100:
        raise StiltsError(
            f"model.corpus gives only {len(everything)} texts; an encoder needs at least 100 to learn from."
        )
    say(f"  corpus: {len(everything):,} texts in {len(texts)} languages")
    tokenizer = train_tokenizer(everything, int(shape["vocab_size"]), int(shape["max_position_embeddings"]) - 2)
    shape["vocab_size"] = len(tokenizer)
    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "pad", "eos")}
    config = AutoConfig.for_model(shape.pop("model_type"), **shape, **special, type_vocab_size=1)
    torch.manual_seed(SEED)
    base = AutoModel.from_config(config)
    if hasattr(base, "pooler"):
        base.pooler = None
    encoder = Encoder(base, None)  # padded, so that the command that made a shipped encoder makes it again
    options = HeadOptions(max_length=int(settings["max_length"]))
    module = MLMModule(encoder, tokenizer, options, float(settings["mask_probability"]))
    features = module.features({"text": everything}, tokenizer)
    steps, tokens = int(settings["steps"]), int(settings["batch_tokens"])
    module.optimisation = Optimisation(
        learning_rate=float(settings["learning_rate"]),
        steps=steps,
        warmup=int(steps * float(settings["warmup_ratio"])),
        weight_decay=float(settings["weight_decay"]),
        epsilon=1e-6,
        max_grad_norm=1.0,
        seed=SEED,
        muon_learning_rate=float(settings["muon_learning_rate"]) or None,
        budget=max(tokens, cell.trainer.micro_batch_tokens),
    )
    stream = TokenStream(features, tokens, steps, SEED)
    with phase(f"pretraining {stage.label}", steps, cell.trainer.progress) as bar:
        guard = Guard(bar, stage.label, on_point)
        # in full precision wherever it runs: the encoder is small, and one on a GPU is the same as one on a CPU
        machine = dataclasses.replace(cell.trainer, precision="32-true")
        fit(module, stream, machine, [guard], scratch / RESUME)
    learnt = About(languages=tuple(sorted(texts)), licence=OURS if stage.world is not None else UNKNOWN, seed=SEED)
    save(scratch, encoder, {"pretrained": module}, tokenizer, lineage(cell, stage), learnt)
    write_curve(scratch, guard.curve)
    seen = int(sum(features.lengths[group].sum() for group in stream.plan))
    return {
        "steps": steps,
        "tokens": seen,
        "texts": {language: len(found) for language, found in sorted(texts.items())},
        "vocabulary": len(tokenizer),
        "parameters": sum(weight.numel() for weight in base.parameters()),
        "loss": guard.curve[-1]["loss"],
    }
