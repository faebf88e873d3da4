"""Bitext mining: which sentences of two corpora are translations of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from stilts_xtreme.core.checks import check, is_number
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.tasks.bitext_mining.files import read_pairs, write_pairs
from stilts_xtreme.tasks.bitext_mining.rows import ENGLISH, FOREIGN, ROWS
from stilts_xtreme.tasks.format import Rows, Scorer
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.options import OptionGroup
from stilts_xtreme.tasks.outcome import FEW
from stilts_xtreme.tasks.pooled import POOLING, PooledFormat


def _checked(values: Mapping[str, Any], synthetic: bool) -> dict[str, Any]:
    threshold = values["threshold"]
    good = threshold in ("dev", "test") or is_number(threshold)
    check(good, "bitext.threshold", threshold, "take dev, test or a number")
    return dict(values)


class BitextMining(PooledFormat):
    """Any number of pairs of ids."""

    name = "bitext"
    rows = ROWS
    metrics = (METRICS["bitext_f1"],)
    options = (POOLING, OptionGroup("bitext", {"threshold": "dev"}, _checked))
    module_path = "stilts_xtreme.tasks.bitext_mining.module:BitextMiningModule"
    tokens_per_row = 20
    wording = "it asks which sentence is the translation of another one"
    gold_by_row = False
    answers = ("gold",)
    pairs = True
    dev_advice = (
        "to choose the threshold on; bring BUCC's sample corpora "
        "(FOLDER/local/bucc2018/<l>-en/<l>-en.sample.{<l>,en,gold}) and give data.root=FOLDER, or give "
        "bitext.threshold=NUMBER, or bitext.threshold=test, which flatters"
    )

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Also where the threshold of the margins comes from."""
        return {**super().evaluation_settings(cell, recipe), "threshold": cell.options["bitext"]["threshold"]}

    def reads_dev(self, cell: Cell) -> bool:
        """The threshold may be chosen on dev rows."""
        return bool(cell.options["bitext"]["threshold"] == "dev")

    def without_dev(self, cell: Cell) -> Cell:
        """The cell with a threshold that is chosen on the scored rows."""
        options = {**cell.options, "bitext": {"threshold": "test"}} if self.reads_dev(cell) else cell.options
        return replace(cell, options=options)

    def finish(self, cell: Cell, rows: Rows, answers: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
        """The pairs whose margin reaches the threshold, and the thresholds."""
        setting = cell.options["bitext"]["threshold"]
        found, _ = super().finish(cell, rows, answers)
        if setting in ("dev", "test"):
            from stilts_xtreme.models.search import best_threshold

            split = "validation" if setting == "dev" else "test"
            thresholds = {
                language: best_threshold(answers[split, language], set(self.gold(rows[split, language], ())))
                for language in found
            }
        else:
            thresholds = dict.fromkeys(found, float(setting))
        kept = {
            language: [(one, other) for one, other, score in pairs if score >= thresholds[language]]
            for language, pairs in found.items()
        }
        return kept, {"bitext": {"chosen_on": setting, "thresholds": thresholds}}

    def paired(self, first: Columns, second: Columns) -> Columns:
        """One corpus of both, with ids that tell the two sides apart; the files' own are ``name``."""
        sides = [FOREIGN] * len(first["id"]) + [ENGLISH] * len(second["id"])
        names = [*first["id"], *second["id"]]
        ids = [f"{side}:{name}" for side, name in zip(sides, names, strict=True)]
        return {"id": ids, "text": [*first["text"], *second["text"]], "side": sides, "name": names}

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Whether no pair is found."""
        return "no pair is found" if not answers and len(gold) >= FEW else None

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """Neighbours by pieces of words."""
        from stilts_xtreme.tasks.bitext_mining.floors import floors

        return floors(metric)

    def gold(self, rows: Columns, labels: Sequence[str]) -> list[tuple[str, str]]:
        """Pairs of ids, the foreign one first."""
        return [(key, other) for key, others in zip(rows["id"], rows["gold"], strict=True) for other in others]

    def found_texts(self, rows: Columns) -> dict[str, str]:
        """Id -> sentence."""
        return dict(zip(rows["id"], rows["text"], strict=True))

    def write(self, path: Path, answers: Any) -> Path:
        """One pair of ids per line."""
        return write_pairs(path, answers)

    def read(self, path: Path, like: Any = None) -> list[tuple[str, str]]:
        """Pairs of ids, as many as there are."""
        return read_pairs(path)

    def refuse_submission(self, answers: Any, gold: Any) -> None:
        """The ids must be those of BUCC's own files; those of the hub's copy are numbers of lines.

        Raises:
            StiltsError: They are not.
        """
        if any(one.startswith(f"{FOREIGN}:") for one, _ in gold):
            raise StiltsError("ids are not BUCC's own: evaluate with its files below FOLDER/local/bucc2018")


FORMAT = BitextMining()
