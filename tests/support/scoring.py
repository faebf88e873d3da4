"""A folder of predictions and labels, and the scorer run on it."""

from __future__ import annotations

import json
import random

from stilts_xtreme.commands.score import main
from stilts_xtreme.report.benchmark import averages as benchmarks
from support.official import brute_mlqa_tokens, brute_qa, brute_squad_tokens, seqeval_scores

POS = ["NOUN", "VERB", "X", "CCONJ", "SCONJ", "PUNCT", "INTJ"]


NER = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


WORDS = [
    "the",
    "tower",
    "der",
    "Turm",
    "of",
    "Paris,",
    "el",
    "perro",
    "nhà",
    "của",
    "北京",
    "市",
    "الكتاب",
    "ไทย",
    "😀",
]


def mistaken(rng, right, choices):
    return right if rng.random() < 0.7 else rng.choice(choices)


def labels_of(rng, n=9):
    gold = [rng.choice(["entailment", "neutral", "contradiction"]) for _ in range(n)]
    return gold, [mistaken(rng, label, ["neutral", "entailment"]) for label in gold]


def accuracy(gold, pred):
    return {"accuracy": sum(g == p for g, p in zip(gold, pred, strict=True)) / len(pred) * 100}


def make_lines(rng, labels, predictions):
    gold, pred = labels_of(rng)
    labels.write_text("\n".join(gold) + "\n")
    predictions.write_text("\n".join(pred))  # as the benchmark's own Tatoeba code writes: no last line end
    return accuracy(gold, pred)


def make_tags(rng, labels, predictions, tags):
    gold = [[rng.choice(tags) for _ in range(rng.randrange(1, 6))] for _ in range(12)]
    pred = [[mistaken(rng, tag, tags) for tag in sentence] for sentence in gold]
    for path, sentences in ((labels, gold), (predictions, pred)):
        path.write_text("".join("\n".join(sentence) + "\n\n" for sentence in sentences))
    scores = seqeval_scores(pred, gold)
    if tags is POS:
        pairs = [(g, p) for gs, ps in zip(gold, pred, strict=True) for g, p in zip(gs, ps, strict=True)]
        scores["token_accuracy"] = 100 * sum(g == p for g, p in pairs) / len(pairs)
    return scores


def make_answers(rng, labels, predictions, tokens):
    gold = {f"q{n}": [" ".join(rng.choices(WORDS, k=3)) for _ in range(rng.randrange(1, 3))] for n in range(9)}
    pred = {key: mistaken(rng, answers[0], [" ".join(rng.choices(WORDS, k=2)), ""]) for key, answers in gold.items()}
    del pred["q3"]
    pred["unasked"] = "x"
    qas = [
        {"id": key, "question": "?", "answers": [{"text": text, "answer_start": 0} for text in answers]}
        for key, answers in gold.items()
    ]
    labels.write_text(json.dumps({"version": "1.1", "data": [{"paragraphs": [{"context": "c", "qas": qas}]}]}))
    predictions.write_text(json.dumps(pred))
    return brute_qa(tokens, pred, gold)


def make_pairs(rng, labels, predictions, language):
    gold = [(f"{language}-{n:09}", f"en-{rng.randrange(99):09}") for n in range(10)]
    pred = [pair for pair in gold if rng.random() < 0.6] + [(f"{language}-{99:09}", f"en-{n:09}") for n in (1, 2, 2)]
    for path, pairs in ((labels, gold), (predictions, pred)):
        path.write_text("".join("\t".join(pair) + "\n" for pair in pairs))
    right, n_pred, n_gold = len(set(gold) & set(pred)), len(set(pred)), len(set(gold))
    precision, recall = right / n_pred, right / n_gold
    f1 = 2 * precision * recall / (precision + recall) if right else 0
    return {"f1": 100 * f1, "precision": 100 * precision, "recall": 100 * recall}


def make_rankings(rng, labels, predictions, n_gold):
    gold = {f"e{n}": [f"Q{n}-{i}" for i in range(n_gold)] for n in range(5)}
    pred = {key: rng.sample([*ids, *(f"Q{n}" for n in range(28))], 24) for key, ids in gold.items()}
    labels.write_text(json.dumps(gold))
    predictions.write_text(json.dumps(pred))
    total = 0.0
    for key, right in gold.items():
        hits = 0
        for rank, found in enumerate(pred[key][:20], 1):
            if found in right:
                hits += 1
                total += hits / rank / min(n_gold, 20)
    return {"map_at_20": 100 * total / len(gold)}


def make(task, language, labels, predictions):
    """Writes the two files of a task in a language, and says what the official formulas give for them."""
    rng = random.Random(f"{task} {language}")
    if task in ("udpos", "panx"):
        return make_tags(rng, labels, predictions, POS if task == "udpos" else NER)
    if task in ("xquad", "tydiqa"):
        return make_answers(rng, labels, predictions, brute_squad_tokens)
    if task == "mlqa":
        return make_answers(rng, labels, predictions, lambda text: brute_mlqa_tokens(text, language))
    if task == "bucc2018":
        return make_pairs(rng, labels, predictions, language)
    if task in ("mewslix", "lareqa"):
        return make_rankings(rng, labels, predictions, 1 if task == "mewslix" else 11)
    if task == "tatoeba":
        gold = [str(n) for n in rng.sample(range(1000), 10)]
        pred = [mistaken(rng, position, gold) for position in gold]
        labels.write_text("\n".join(gold) + "\n")
        predictions.write_text("\n".join(pred) + "\n")
        return accuracy(gold, pred)
    return make_lines(rng, labels, predictions)


def make_folder(folder, name):
    """A whole submission; returns task -> language -> official scores."""
    expected = {}
    for task in benchmarks.load(name).tasks.values():
        suffix = "json" if task.name in ("xquad", "mlqa", "tydiqa", "mewslix", "lareqa") else "tsv"
        for side in ("labels", "predictions"):
            (folder / side / task.name).mkdir(parents=True)
        expected[task.name] = {}
        for language in task.languages:
            paths = [folder / side / task.name / f"test-{language}.{suffix}" for side in ("labels", "predictions")]
            expected[task.name][language] = make(task.name, language, *paths)
    return expected


def run(folder, *more, benchmark="xtreme"):
    return main(
        [
            "--predictions",
            str(folder / "predictions"),
            "--labels",
            str(folder / "labels"),
            "--benchmark",
            benchmark,
            *more,
        ]
    )
