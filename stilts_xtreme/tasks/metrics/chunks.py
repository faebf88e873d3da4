"""Chunks of tag sequences, counted as seqeval 1.2.2 counts them in its default mode.

The rules are those of ``conlleval.pl`` as restated in ``seqeval/metrics/sequence_labeling.py``, including what follows
for tags that carry no ``B-``/``I-`` prefix: the first character of a tag is its position and the rest its type. So the
universal part-of-speech tag ``NOUN`` is position ``N`` of type ``OUN``, neighbours of one type join into one chunk,
``CCONJ`` and ``SCONJ`` share the type ``CONJ``, and ``X`` has the type ``_`` that seqeval also gives to ``O``. XTREME's
part-of-speech score is this number, so it is kept as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.errors import StiltsError

Sentences = Sequence[Sequence[str]]
Chunk = tuple[str, int, int]


def chunks(sentences: Sentences, carry: int = 0) -> tuple[set[Chunk], int]:
    """Reads the chunks of sentences that follow one another in one stream.

    seqeval joins all sentences with an ``O`` after each one. A chunk of a one-character tag (``X``) right after ``O``
    ends without ever having started, and then takes the start of the latest chunk before it, which may lie in an
    earlier sentence. The carry hands that start on, so that a stream read in pieces yields what seqeval finds in all
    of it at once.

    Args:
        sentences: Tags by sentence; every tag has at least one character.
        carry: What the call for the sentences just before returned; 0 at the beginning of the stream.

    Returns:
        The chunks as (type, first token, last token), counted from the first token of this call with one more position
        after each sentence, and the carry: the start of the latest chunk relative to the next token, always below 0
        once a sentence was read.
    """
    found: set[Chunk] = set()
    # What an "O" leaves. seqeval begins its stream with the type "" instead, which comes to the same at position 0.
    prev, prev_type = "O", "_"
    begin, position = carry, 0
    for sentence in sentences:
        for tag in (*sentence, "O"):
            head = tag[0]
            type_ = tag[1:].split("-", maxsplit=1)[-1] or "_"
            changed = prev_type != type_
            if prev in "ES" or (prev in "BI" and head in "BSO") or (prev not in "O." and changed):
                found.add((prev_type, begin, position - 1))
            if head in "BS" or (prev in "ESO" and head in "EI") or (head not in "O." and changed):
                begin = position
            prev, prev_type = head, type_
            position += 1
    return found, begin - position


def check_sentences(predictions: Sentences, gold: Sentences) -> None:
    """Refuses tag sequences that cannot be compared.

    Raises:
        StiltsError: Numbers of sentences or of tags differ, or something is not a sequence of non-empty tag names.
    """
    for side, sentences in (("predicted", predictions), ("gold", gold)):
        if isinstance(sentences, str) or not isinstance(sentences, Sequence):
            raise StiltsError(f"The {side} tags are a {type(sentences).__name__}; lists of tag names are needed.")
        flat = [n for n, s in enumerate(sentences) if isinstance(s, str) or not isinstance(s, Sequence)]
        if flat:
            kind = type(sentences[flat[0]]).__name__
            raise StiltsError(
                f"{len(flat)} of {len(sentences)} {side} sentences are not lists of tags, first sentence {flat[0]} "
                f"({kind})."
            )
        bad = [(n, tag) for n, s in enumerate(sentences) for tag in s if not isinstance(tag, str) or not tag]
        if bad:
            n, tag = bad[0]
            raise StiltsError(
                f"{len(bad)} {side} tags are not tag names, first {tag!r} ({type(tag).__name__}) in sentence {n}."
            )
    if len(predictions) != len(gold):
        raise StiltsError(f"{len(predictions)} sentences are predicted for {len(gold)} gold sentences.")
    uneven = [n for n, (p, g) in enumerate(zip(predictions, gold, strict=True)) if len(p) != len(g)]
    if uneven:
        n = uneven[0]
        raise StiltsError(
            f"{len(uneven)} of {len(gold)} sentences have another number of predicted than of gold tags, first "
            f"sentence {n} ({len(predictions[n])} predicted, {len(gold[n])} gold)."
        )


def count_chunks(
    predictions: Sentences, gold: Sentences, carry: tuple[int, int] = (0, 0)
) -> tuple[int, int, int, tuple[int, int]]:
    """Counts the chunks of one piece of a stream of sentences.

    Args:
        predictions: Predicted tags by sentence.
        gold: Gold tags of the same sentences.
        carry: The carries of the piece just before, (0, 0) at the beginning; see :func:`chunks`.

    Returns:
        Chunks found in both, chunks predicted, chunks in the gold tags, and the carries for the next piece.

    Raises:
        StiltsError: The sequences cannot be compared.
    """
    check_sentences(predictions, gold)
    predicted, predicted_carry = chunks(predictions, carry[0])
    true, true_carry = chunks(gold, carry[1])
    return len(predicted & true), len(predicted), len(true), (predicted_carry, true_carry)
