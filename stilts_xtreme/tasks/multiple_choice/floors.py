"""Floors of multiple choice: chance, the overlap with context and question, and the words of a choice alone."""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.floors.common import count_rows, spread
from stilts_xtreme.tasks.floors.overlap import fit_bag, share, trigrams, words
from stilts_xtreme.tasks.format import Scorer
from stilts_xtreme.tasks.metrics.metric import Metric
from stilts_xtreme.tasks.multiple_choice.rows import ROWS


def floors(metric: Metric, train: Columns, labels: Sequence[str]) -> Scorer:
    """Chance, the choice that overlaps most with context and question, and the words of a choice alone."""
    if train:
        count_rows("training", ROWS, train)
    rows = spread([i for i, label in enumerate(train.get("label", ())) if label >= 0])
    bags = [words(choice) for i in rows for choice in train["choices"][i]]
    right = [int(at == train["label"][i]) for i in rows for at in range(len(train["choices"][i]))]
    probabilities = fit_bag(bags, right) if len(set(right)) > 1 else None

    def score(test: Columns, language: str) -> dict[str, float]:
        none = [i for i, choices in enumerate(test["choices"]) if not choices]
        if none:
            raise StiltsError(f"{len(none)} of {len(test['choices'])} rows have no choices, first row {none[0]}.")
        found, likeliest = [], []
        for context, question, choices in zip(test["context"], test["question"], test["choices"], strict=True):
            text = f"{context or ''} {question or ''}"
            in_words, in_trigrams = set(words(text)), set(trigrams(text))
            values = []
            for choice in choices:
                own, pieces = words(choice), trigrams(choice)
                word_share = share(sum(w in in_words for w in own), len(own))
                values.append((word_share, share(sum(p in in_trigrams for p in pieces), len(pieces))))
            found.append(values.index(max(values)))
            if probabilities is not None:
                likeliest.append(int(probabilities([words(choice) for choice in choices])[:, 1].argmax()))
        chance = 100.0 * sum(1 / len(choices) for choices in test["choices"]) / max(len(test["choices"]), 1)
        scores = {"chance": chance, "overlap": metric.main_score(found, test["label"], language)}
        if probabilities is not None:
            scores["bag_of_words"] = metric.main_score(likeliest, test["label"], language)
        return scores

    return score
