"""The tokenizer of an encoder: loaded, compared with the embedding, and tried on rows of the languages at hand."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.encoder import Source, load_config
from stilts_xtreme.models.unreadable import UNREADABLE, unloadable

log = logging.getLogger(__name__)

LEAST_SHARE = 0.75
"""Share of the embedding's rows that a tokenizer must have a sub-token for; padded embeddings have a few more rows."""
PROBED = 50
"""Units of a language whose sub-tokens are looked at."""
UNKNOWN = 0.9
"""From this share of unknown sub-tokens on, a tokenizer does not read a language."""
MUCH = 0.5
"""From this share on, it is worth a word."""
MARK = "▁"
"""What SentencePiece puts before a word."""


def load_tokenizer(source: Source) -> Any:
    """The fast tokenizer of an encoder; byte-level ones mark the start of a word (needed for pre-split words).

    Raises:
        StiltsError: When it cannot be had, is not a fast one, or does not fit the rows of the encoder's embedding.
    """
    rows = getattr(load_config(source), "vocab_size", None)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source.place, revision=source.revision, add_prefix_space=True, trust_remote_code=False
        )
    except UNREADABLE as error:
        raise unloadable(source.place, error) from error
    if not tokenizer.is_fast:
        raise StiltsError(
            f"The encoder {source.place} has no fast tokenizer; character offsets are needed for answers."
        )
    _refuse_misfit(source, tokenizer, rows)
    return tokenizer


def _refuse_misfit(source: Source, tokenizer: Any, rows: int | None) -> None:
    """Compares a tokenizer with the rows of the embedding.

    Where the tokenizer's files are missing, transformers makes an empty one, and every word is unknown to it.
    """
    vocabulary = tokenizer.get_vocab()
    words = len(vocabulary.keys() - set(tokenizer.all_special_tokens))
    if not words or (rows is not None and len(vocabulary) < LEAST_SHARE * rows):
        raise StiltsError(
            f"The tokenizer of the encoder {source.place} has {words:,} sub-tokens beside the special ones, and its "
            f"embedding has {rows or 0:,} rows: the tokenizer's files (tokenizer.json, or vocab.txt and the like) are "
            "missing or those of another encoder; save the tokenizer beside the model."
        )
    token, highest = max(vocabulary.items(), key=lambda item: item[1])
    if rows is not None and highest >= rows:
        raise StiltsError(
            f"The tokenizer of the encoder {source.place} has the sub-token {token!r} with the number {highest:,}, and "
            f"its embedding has {rows:,} rows only: give the embedding a row for each sub-token "
            "(model.resize_token_embeddings), and save both again."
        )


def lone_mark(tokenizer: Any) -> int | None:
    """The number of the sub-token that is nothing but the mark before a word; None in a vocabulary without it.

    Only this one token is looked up: to copy XLM-R's vocabulary takes longer than to tokenize the rows of a language.
    """
    number = tokenizer.convert_tokens_to_ids(MARK)
    if number is None:  # a tokenizer of bytes has no unknown token to give instead
        return None
    return number if tokenizer.convert_ids_to_tokens(number) == MARK else None


def unknown_share(features: Features, tokenizer: Any) -> float:
    """The share of unknown sub-tokens among those of text, in the first units; 1 where text has no sub-tokens at all.

    A tokenizer of bytes or characters may have no unknown token; its share is 0.
    """
    some = features.ids[features.positions(np.arange(min(PROBED, len(features))), "token")]
    unknown, mark = tokenizer.unk_token_id, lone_mark(tokenizer)
    silent = {*tokenizer.all_special_ids} - {unknown}
    if mark is not None:  # SentencePiece cuts an unknown word into its mark, which is known, and the rest
        silent.add(mark)
    text = some[~np.isin(some, list(silent))]
    if not len(text):
        return float(len(some) > 0)
    return 0.0 if unknown is None else float((text == unknown).mean())


def refuse_unknown(features: Features, tokenizer: Any, encoder: str, what: str) -> None:
    """Refuses rows of which a tokenizer knows nearly nothing, and says where it knows little.

    Args:
        features: Made of the rows by the tokenizer.
        tokenizer: The encoder's tokenizer.
        encoder: Where the encoder is, for the sentence.
        what: The task and its language, for the sentence.

    Raises:
        StiltsError: When nearly all sub-tokens of the first rows are unknown.
    """
    share = unknown_share(features, tokenizer)
    if share >= UNKNOWN:
        raise StiltsError(
            f"The tokenizer of the encoder {encoder} does not read {what}: {100 * share:.0f} % of the sub-tokens in "
            "the first rows are unknown to it; give an encoder that knows this language, or put the tokenizer that "
            "belongs to the encoder beside it."
        )
    _tell(share, encoder, what)


def compare_unknown(shares: dict[str, float], encoder: str, task: str, needed: bool) -> None:
    """Names the languages of an evaluation that a tokenizer does not read.

    One language that an honest encoder cannot read is a finding, and its score counts. If it reads none of them, the
    tokenizer is at fault.

    Args:
        shares: Language -> its share of unknown sub-tokens.
        encoder: Where the encoder is, for the sentence.
        task: The task, for the sentence.
        needed: Whether one of the languages must be readable: none was trained on, or it is among them.

    Raises:
        StiltsError: When one is needed and nearly all sub-tokens of every language are unknown.
    """
    if needed and shares and min(shares.values()) >= UNKNOWN:
        raise StiltsError(
            f"The tokenizer of the encoder {encoder} does not read {task} in any language ({', '.join(shares)}): at "
            f"least {100 * min(shares.values()):.0f} % of the sub-tokens in the first rows are unknown to it; put the "
            "tokenizer that belongs to the encoder beside it."
        )
    for language, share in shares.items():
        _tell(share, encoder, f"{task} in {language}")


def _tell(share: float, encoder: str, what: str) -> None:
    if share >= MUCH:
        log.warning(
            "%s: %.0f %% of the sub-tokens in the first rows are unknown to the tokenizer of %s",
            *(what, 100 * share, encoder),
        )


def tell_length(tokenizer: Any, max_length: int, encoder: str) -> None:
    """Says that rows may be longer than what a tokenizer names as the most.

    Raises:
        StiltsError: What it names is no number of tokens.
    """
    most = tokenizer.model_max_length
    if isinstance(most, bool) or not isinstance(most, int | float) or most < 1:
        raise StiltsError(
            f"The tokenizer of the encoder {encoder} gives model_max_length={most!r} in tokenizer_config.json, and a "
            "number of tokens is needed there; write the number of tokens that the encoder takes, such as 512."
        )
    if max_length > most:
        log.warning(
            "max_length=%d is more than the %d tokens that the tokenizer of %s gives as the most (model_max_length)",
            *(max_length, most, encoder),
        )
