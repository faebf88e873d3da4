"""Features of question answering: each passage tokenised once, and the example scripts' code in datasets.map.

python -m benchmarks.features [--contexts N] [--questions N] [--rounds N]

Windows of 384 tokens with a stride of 128 and the gold positions in them are made of the same rows with the same
tokenizer (that of the encoder "mini"), on one thread. Token ids, starts and ends are compared; where run_qa.py puts the
start of an answer in a window's last token behind its end, the end is taken.

  once                 this project's
  map, dynamic         prepare_train_features of transformers' run_qa.py in datasets.map(batched=True), without padding
  map, longest         the same with padding to 384, as run_qa.py does by default

Passages are random pieces of the tokenizer's vocabulary, log-normal around 150 of them, questions are of 13, answers of
one to four words. That is an assumption about SQuAD, with its five questions about a passage, not a measurement of it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, disable_progress_bars

from benchmarks import rounds as plumbing
from benchmarks.jobs import JOBS, log_normal
from benchmarks.models import checkpoint
from stilts_xtreme.models.batch import spans
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.models.shipped import FOLDER
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.options import HeadOptions

LENGTH, STRIDE, QUERY = 384, 128, 64
PASSAGE, SPREAD, QUESTION = 150, 0.4, 13
JOB = JOBS["qa"]


def draw(contexts: int, questions: int, tokenizer: Any) -> dict[str, list]:
    """Rows as the catalogue has them."""
    generator = np.random.default_rng(0)
    latin = [
        at for piece, at in tokenizer.get_vocab().items() if piece.startswith("▁") and piece[1:].isascii() and piece[1:]
    ]
    latin.sort()

    def text(size: int) -> str:
        return tokenizer.decode(generator.choice(latin, size), skip_special_tokens=True)

    rows: dict[str, list] = {"id": [], "context": [], "question": [], "answer_texts": [], "answer_starts": []}
    for length in log_normal(generator, PASSAGE, SPREAD, contexts).clip(20, 700):
        context = text(int(length))
        begins = [0, *(at + 1 for at, character in enumerate(context) if character == " ")]
        for _ in range(questions):
            first = int(generator.integers(len(begins)))
            last = min(first + int(generator.integers(4)), len(begins) - 1)
            end = begins[last + 1] - 1 if last + 1 < len(begins) else len(context)
            rows["id"].append(str(len(rows["id"])))
            rows["context"].append(context)
            rows["question"].append(text(QUESTION))
            rows["answer_texts"].append([context[begins[first] : end]])
            rows["answer_starts"].append([begins[first]])
    return rows


def prepare(examples: Mapping[str, list], tokenizer: Any, pad: bool) -> Any:
    """What the example script does with a batch of rows.

    It follows ``prepare_train_features`` of transformers' examples/pytorch/question-answering/run_qa.py, for a
    tokenizer that pads on the right.
    """
    encoded = tokenizer(
        [question.lstrip() for question in examples["question"]],
        examples["context"],
        truncation="only_second",
        max_length=LENGTH,
        stride=STRIDE,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding="max_length" if pad else False,
    )
    rows, all_offsets = encoded.pop("overflow_to_sample_mapping"), encoded.pop("offset_mapping")
    encoded["start_positions"], encoded["end_positions"] = [], []
    for at, offsets in enumerate(all_offsets):
        ids = encoded["input_ids"][at]
        null = ids.index(tokenizer.cls_token_id)
        parts = encoded.sequence_ids(at)
        begin = examples["answer_starts"][rows[at]][0]
        end = begin + len(examples["answer_texts"][rows[at]][0])
        first = 0
        while parts[first] != 1:
            first += 1
        last = len(ids) - 1
        while parts[last] != 1:
            last -= 1
        if offsets[first][0] > begin or offsets[last][1] < end:
            first = last = null
        else:
            while first < len(offsets) and offsets[first][0] <= begin:
                first += 1
            first -= 1
            while offsets[last][1] >= end:
                last -= 1
            last += 1
        encoded["start_positions"].append(first)
        encoded["end_positions"].append(last)
    return encoded


Windows = tuple[list[list[int]], list[int], list[int]]


def mapped(clock: plumbing.Clock, dataset: Dataset, tokenizer: Any, pad: bool) -> Windows:
    """Ids without padding, starts and ends of every window, by ``datasets.map``."""
    with clock:
        found = dataset.map(
            prepare,
            batched=True,
            fn_kwargs={"tokenizer": tokenizer, "pad": pad},
            remove_columns=dataset.column_names,
            load_from_cache_file=False,
            new_fingerprint=f"windows-{pad}",  # a tokenizer's own changes from call to call
        )
    ids = [own[: sum(mask)] for own, mask in zip(found["input_ids"], found["attention_mask"], strict=True)]
    starts, ends = list(found["start_positions"]), list(found["end_positions"])
    # the script looks for the start beyond the passage: of an answer that is a window's last token it finds the closing
    # special token, behind the end
    return ids, [min(pair) for pair in zip(starts, ends, strict=True)], ends


def ours(clock: plumbing.Clock, head: Any, rows: dict[str, list], tokenizer: Any) -> Windows:
    """The same by the head's features."""
    with clock:
        features = head.features(rows, tokenizer)
    ends = spans(features.lengths)
    ids = [features.ids[ends[at] : ends[at + 1]].tolist() for at in range(len(features))]
    return ids, features.labels["start"][1].tolist(), features.labels["end"][1].tolist()


def measure(contexts: int, questions: int, rounds: int) -> dict[str, Any]:
    """Makes features in every way in every round.

    Args:
        contexts: Number of passages.
        questions: Questions about each.
        rounds: How often each way is measured.
    """
    disable_progress_bars()
    tokenizer = load_tokenizer(Source(str(FOLDER / "mini")))
    rows = draw(contexts, questions, tokenizer)
    dataset = Dataset.from_dict(rows)
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint(Path(scratch), "mini", JOB.model, JOB.labels)
        head = format_of("qa").module()(load(Source(scratch)), (), HeadOptions(LENGTH, STRIDE, QUERY))
    answers: dict[str, Windows] = {}

    def kept(way: str, work: Any, *given: Any) -> plumbing.Way:
        def run(clock: plumbing.Clock) -> Mapping[str, Any]:
            answers[way] = work(clock, *given)
            return {"windows": len(answers[way][0])}

        return run

    found = plumbing.turns(
        {
            "once": kept("once", ours, head, rows, tokenizer),
            "map, dynamic": kept("map, dynamic", mapped, dataset, tokenizer, False),
            "map, longest": kept("map, longest", mapped, dataset, tokenizer, True),
        },
        rounds,
    )
    for way, entry in found.items():
        entry["facts"]["other windows than ours"] = _differences(answers[way], answers["once"])
    work = {"questions": len(rows["id"]), "tokens": sum(map(len, answers["once"][0]))}
    settings = {"contexts": contexts, "questions": questions, "rounds": rounds, "max_length": LENGTH, "stride": STRIDE}
    return {"settings": settings, "work": work, "ways": found}


def _differences(one: Windows, other: Windows) -> int:
    """How many windows differ in ids, start or end."""
    pairs = zip(zip(*one, strict=True), zip(*other, strict=True), strict=False)
    return sum(a != b for a, b in pairs) + abs(len(one[0]) - len(other[0]))


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = plumbing.parser("features", __doc__ or "", rounds=5)
    parser.add_argument("--contexts", type=plumbing.at_least(1), default=400, help="passages (%(default)s)")
    parser.add_argument("--questions", type=plumbing.at_least(1), default=5, help="about each (%(default)s)")
    plumbing.run(parser, arguments, measure)


if __name__ == "__main__":
    main()
