"""Tagging: a tag for every word of a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.checks import choice
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.models.head_kind import HeadKind
from stilts_xtreme.tasks import placebo
from stilts_xtreme.tasks.files import MANY, withheld_labels
from stilts_xtreme.tasks.format import Scorer, TaskFormat
from stilts_xtreme.tasks.metrics.metric import METRICS, Metric
from stilts_xtreme.tasks.options import HeadOptions, OptionGroup
from stilts_xtreme.tasks.outcome import alike, entropy
from stilts_xtreme.tasks.tagging.files import read_tags, write_tags
from stilts_xtreme.tasks.tagging.rows import OUTSIDE, ROWS

if TYPE_CHECKING:
    from stilts_xtreme.models.batch import Features


def _checked(values: Mapping[str, Any], synthetic: bool) -> dict[str, Any]:
    choice("tagging.first_token", values["first_token"], ("any", "content"))
    return dict(values)


class Tagging(TaskFormat):
    """One tag per word."""

    name = "tagging"
    rows = ROWS
    metrics = tuple(METRICS[name] for name in ("chunk_f1", "pos_f1", "token_accuracy"))
    options = (OptionGroup("tagging", {"first_token": "any"}, _checked),)
    module_path = "stilts_xtreme.tasks.tagging.module:TaggingModule"
    head = HeadKind("tagging", "AutoModelForTokenClassification", names_labels=True)
    pipeline = "token-classification"
    hub_tag = "token-classification"
    tokens_per_row = 30
    wording = "its tags belong to words, and a translation has other words"
    answers = ("tags",)
    windows = True

    def head_options(self, cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
        """Also which sub-token of a word is tagged."""
        return HeadOptions(max_length=recipe.max_length, first_token=cell.options["tagging"]["first_token"])

    def placebo(self, rows: Columns, seed: int, name: str) -> Columns:
        """Sentences with the tags of others of the same length."""
        return placebo.exchanged_tags(rows, seed, name)

    def training_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Which sub-token of a word is tagged."""
        return {"first_token": cell.options["tagging"]["first_token"]}

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """Which sub-token of a word is tagged."""
        return {**super().evaluation_settings(cell, recipe), **self.training_settings(cell, recipe)}

    def guess_loss(self, features: Features, batch_size: int) -> float:
        """That of guessing by how often each tag occurs."""
        tags = features.labels["tag"][1]
        return entropy(tags[tags >= 0].tolist())

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Whether every word is given one tag."""
        one = alike(*([tag for tags in side for tag in tags] for side in (answers, gold)))
        return None if one is None else f"every word is given the tag {one}"

    def constants(self, rows: Columns, gold: Any) -> list[list[list[str]]]:
        """One tag everywhere."""
        return [[[one] * len(tags) for tags in gold] for one in dict.fromkeys(tag for tags in gold for tag in tags)]

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """Majority and lexicon."""
        from stilts_xtreme.tasks.tagging.floors import floors

        return floors(metric, train, labels)

    def gold(self, rows: Columns, labels: Sequence[str]) -> list[list[str]]:
        """Tag names by sentence."""
        return [[labels[tag] for tag in tags] for tags in rows["tags"]]

    def item_texts(self, rows: Columns, at: int) -> list[tuple[str, ...]]:
        """The sentence."""
        return [("sentence", " ".join(map(str, rows["tokens"][at])))]

    def in_words(self, answer: Any, right: Any, rows: Columns, at: int, found: Mapping[str, str]) -> Any:
        """Words with their tags: all of the right answer, and of another one those that are wrong."""
        tokens = rows["tokens"][at]
        if not isinstance(answer, list) or not len(answer) == len(right) == len(tokens):
            return answer
        wrong = [f"{word}/{tag}" for word, tag, own in zip(tokens, answer, right, strict=True) if tag != own]
        return wrong or [f"{word}/{tag}" for word, tag in zip(tokens, answer, strict=True)]

    def write(self, path: Path, answers: Any) -> Path:
        """One tag per line, an empty line after every sentence."""
        return write_tags(path, answers)

    def read(self, path: Path, like: Any = None) -> list[list[str]]:
        """Tags by sentence."""
        return read_tags(path, None if like is None else [len(sentence) for sentence in like])

    def withheld(self, gold: Any, labels: Collection[str], metric: str) -> str | None:
        """Also where all tokens are outside, or where all of many sentences have one tag."""
        tags = [tag for sentence in gold for tag in sentence]
        only = tags[0] if len(set(tags)) == 1 else None
        if only is not None and (only == OUTSIDE or len(gold) >= MANY):
            return f"all tokens of its {len(gold)} sentences have the tag '{only}'"
        return withheld_labels(tags, labels)

    def file_labels(self, labels: Sequence[str]) -> tuple[str, ...]:
        """The names."""
        return tuple(labels)

    def label_lines(self, answers: Any) -> Iterator[tuple[int, str]]:
        """The tags; an empty line is between two sentences."""
        line = 1
        for sentence in answers:
            for tag in sentence:
                yield line, tag
                line += 1
            line += 1


FORMAT = Tagging()
