"""Bitext mining: nothing is trained; sentences of two corpora are pooled hidden states, pairs have the best margins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.search import best_threshold, mine
from stilts_xtreme.tasks.bitext_mining.rows import ENGLISH, FOREIGN
from stilts_xtreme.tasks.evaluation import Sample
from stilts_xtreme.tasks.head import encode
from stilts_xtreme.tasks.pooling import PoolingModule
from stilts_xtreme.tasks.predictions import gold


class BitextMiningModule(PoolingModule):
    """Which sentences of one corpus are translations of sentences of the other?

    Attributes:
        thresholds: Language -> the least score of a pair, as validation chose it.
    """

    format = "bitext"
    metric = "bitext_f1"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.thresholds: dict[str, float] = {}

    def features(self, rows: Columns, tokenizer: Any) -> Features:
        """One unit per sentence, without surrounding white space."""
        texts = [text.strip() for text in rows["text"]]
        parts = encode(tokenizer, self.encoder.config, texts, None, self.options.max_length)
        return Features(**parts, units=np.ones(len(texts), np.int64), rows=np.arange(len(texts)))

    def decode(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[tuple[str, str, float]]:
        """Mined pairs of ids with their margin scores, the best first; a threshold cuts the list.

        As in XTREME's code, mining goes over different sentences, and a sentence that its corpus has more than once is
        not paired in the end.
        """
        texts = [text.strip() for text in rows["text"]]
        sides = {}
        for side in (FOREIGN, ENGLISH):
            first: dict[str, int] = {}
            here = [at for at, name in enumerate(rows["side"]) if name == side]
            for at in here:
                first.setdefault(texts[at], at)
            often = Counter(texts[at] for at in here)
            kept = list(first.values())
            sides[side] = (kept, {at for at in kept if often[texts[at]] > 1})
        (foreign, twice), (english, twice_english) = sides[FOREIGN], sides[ENGLISH]
        found = mine(outputs[0][foreign], outputs[0][english], str(self.device))
        return [
            (rows["id"][foreign[one]], rows["id"][english[other]], score)
            for one, other, score in found
            if foreign[one] not in twice and english[other] not in twice_english
        ]

    def records(self, rows: Columns, features: Features, outputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """The mined pairs with their margin scores; of those below a threshold that is given none."""
        texts = dict(zip(rows["id"], rows["text"], strict=True))
        least = self.options.threshold
        names = dict(zip(rows["id"], rows.get("name", rows["id"]), strict=True))
        return [
            {"prediction": [names[one], names[other]], "texts": [texts[one], texts[other]], "score": score}
            for one, other, score in self.decode(rows, features, outputs)
            if least is None or score >= least
        ]

    def comparable(self, answers: list[tuple[str, str, float]], sample: Sample, stage: str) -> tuple[Any, Any]:
        """The pairs above the threshold: the given one, or the one that validation chose for the language.

        Raises:
            StiltsError: When there is no threshold to test with.
        """
        reference = gold(self.format, sample.rows, self.labels)
        threshold = self.options.threshold
        if threshold is None and stage == "val":
            self.thresholds[sample.language] = best_threshold(answers, set(reference))
        if threshold is None and sample.language not in self.thresholds:
            raise StiltsError(
                f"No threshold is known for {sample.name}: call trainer.validate before trainer.test, which chooses it "
                "on the dev rows, or give HeadOptions(threshold=...)."
            )
        least = threshold if threshold is not None else self.thresholds[sample.language]
        return [(one, other) for one, other, score in answers if score >= least], reference
