"""What a task format is: one object that owns everything a program must know of it. Free of torch.

A format is a folder of :mod:`stilts_xtreme.tasks` whose package holds an instance of a :class:`TaskFormat` as
``FORMAT``. Nothing outside of that folder asks which format it has; it asks the object.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.errors import unknown
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.core.specs import Cell, Recipe
from stilts_xtreme.models.head_kind import HeadKind
from stilts_xtreme.tasks import placebo
from stilts_xtreme.tasks.files import read_labels, withheld_labels, write_labels
from stilts_xtreme.tasks.metrics.metric import Metric
from stilts_xtreme.tasks.options import HeadOptions, OptionGroup
from stilts_xtreme.tasks.outcome import alike
from stilts_xtreme.tasks.rows import RowFormat

if TYPE_CHECKING:
    from stilts_xtreme.models.batch import Features

Rows = Mapping[tuple[str, str], Any]
"""Split and language -> rows, or answers to them."""

Scorer = Callable[[Columns, str], dict[str, float]]
"""Scores the floors on test rows in a language."""


class TaskFormat:
    """One kind of task: its rows, its model, its answers, its scores. The defaults are those of one label per row.

    Attributes:
        name: Its id in configurations, files and keys.
        rows: Its rows.
        candidates: The rows that its queries choose from; None: it does not rank.
        metrics: What can score it; none: it is never evaluated.
        options: What a user can set of it.
        module_path: ``package.module:Class`` of its LightningModule.
        head: Hugging Face's head that it trains; None: it has no layers of its own.
        pipeline: The task of ``pipeline()`` that a saved model can do; None: transformers has none.
        hub_tag: What the hub calls it.
        extensions: Endings of its files; the first one is written, all are read.
        tokens_per_row: Rough sub-tokens of a row of real text, for estimates only.
        trained: Whether there is something to train.
        alone: Why it cannot be trained jointly with other tasks; empty: it can.
        answers: Columns of its rows that hold answers, which rows to predict need not have, and which a placebo takes
            from other rows.
        pairs: Whether what is predicted is found in a second file of texts: sentences to compare, or candidates.
        gold_by_row: Whether the gold has one entry for each row.
        windows: Whether a row that is longer than a sequence is read in several windows; else it is cut.
        strangers_ignored: Whether answers to no row are ignored, as in the official script; else they are refused.
        wording: Why answers hang on the wording of the test rows, so that these cannot be scored in translation; empty:
            they do not, because they are labels.
        dev_advice: What a user can do who lacks the dev rows of an evaluation that needs them.
        groupings: What items are grouped by -> the groups in their order, for a reader of the scores; often none.
        groupings_about: What these groups are, in sentences.
    """

    name: str
    rows: RowFormat
    candidates: RowFormat | None = None
    metrics: tuple[Metric, ...] = ()
    options: tuple[OptionGroup, ...] = ()
    module_path: str
    head: HeadKind | None = None
    pipeline: str | None = None
    hub_tag: str | None = None
    extensions: tuple[str, ...] = ("tsv",)
    tokens_per_row: int = 40
    trained: bool = True
    alone: str = ""
    answers: tuple[str, ...] = ("label",)
    pairs: bool = False
    gold_by_row: bool = True
    windows: bool = False
    strangers_ignored: bool = False
    wording: str = "its answers are not known to be labels alone"
    dev_advice: str = "to choose on; bring them"
    groupings: Mapping[str, tuple[str, ...]] = {}
    groupings_about: str = ""

    def metric(self, name: str) -> Metric:
        """The metric with a name.

        Raises:
            StiltsError: It is none of the format's.
        """
        found = {metric.name: metric for metric in self.metrics}
        if name not in found:
            raise unknown("metric", name, found)
        return found[name]

    # the module

    def module(self) -> Any:
        """The class of its LightningModule, a :class:`~.head.HeadModule`; imports torch."""
        return pkgutil.resolve_name(self.module_path)

    def head_options(self, cell: Cell, recipe: Recipe, metric: str) -> HeadOptions:
        """What the module's features and answers depend on beside the rows."""
        return HeadOptions(max_length=recipe.max_length)

    def paired(self, first: Columns, second: Columns) -> Columns:
        """Rows to predict from two files of texts (``id``, ``text``), or, of a format that ranks, from its queries.

        Args:
            first: The texts or queries that are asked about.
            second: The texts that answer them.
        """
        raise NotImplementedError

    def guess_loss(self, features: Features, batch_size: int) -> float | None:
        """The loss of the best guess that does not look at a row; None: it is not known.

        Args:
            features: What is trained on.
            batch_size: Units of a step.
        """
        return None

    def shows_nothing(self, answers: Any, gold: Any) -> str | None:
        """Why answers show nothing of what a model knows, whatever they score; None where they may show something."""
        one = alike(answers, gold)
        return None if one is None else f"every row is given the answer {one}"

    def constants(self, rows: Columns, gold: Any) -> list[Any]:
        """Answers that are the same for all rows, of which the best one is a floor; empty where there are none."""
        return [[label] * len(gold) for label in dict.fromkeys(gold)]

    # what a stage's key depends on

    def placebo(self, rows: Columns, seed: int, name: str) -> Columns:
        """Training rows with the answers of other rows (:mod:`.placebo`).

        Args:
            rows: Checked rows of one data set in one language; not changed.
            seed: Of the training.
            name: Of the rows; two sets of rows with one name and size are exchanged in the same way.
        """
        return placebo.exchanged(rows, self.answers, seed, name)

    def training_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """What a training of this format depends on beside rows, recipe and seed: part of its key."""
        return {}

    def selection_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """What decides which weights score best on dev rows, beside the metric: part of the key of such a training."""
        return {}

    def evaluation_settings(self, cell: Cell, recipe: Recipe) -> dict[str, Any]:
        """What the answers of a trained model depend on: part of the key of an evaluation."""
        return {"max_length": recipe.max_length}

    def floor_settings(self) -> dict[str, Any]:
        """What the floors depend on beside rows and metric: part of their key."""
        return {}

    def strata(self, rows: Columns) -> Sequence[Any] | None:
        """The class of each row, by which shots are drawn evenly; None: rows have none."""
        return rows.get("label")

    # the evaluation

    def reads_dev(self, cell: Cell) -> bool:
        """Whether an evaluation reads dev rows in every language beside the rows that it scores."""
        return False

    def without_dev(self, cell: Cell) -> Cell:
        """The cell with an evaluation that reads no dev rows; for asking what else it needs."""
        return cell

    def finish(self, cell: Cell, rows: Rows, answers: Rows) -> tuple[dict[str, Any], dict[str, Any]]:
        """Puts the module's answers into the form that is written and scored.

        Args:
            cell: The cell.
            rows: (split, language) -> canonical rows; the dev rows too, where :meth:`reads_dev` says so.
            answers: (split, language) -> what the module's ``decode`` returned.

        Returns:
            Language -> answers to its test rows, and facts that stand beside the scores.
        """
        return {language: found for (split, language), found in answers.items() if split == "test"}, {}

    # floors

    def floors(self, metric: Metric, train: Columns, labels: Sequence[str], candidates: Columns) -> Scorer:
        """Learns scores that need no model from English training rows.

        Args:
            metric: The metric.
            train: Training rows; empty where nothing is trained.
            labels: Label names in canonical order.
            candidates: What is ranked; empty where nothing is.

        Returns:
            A function of test rows and their language: floor -> headline score in percent.

        Raises:
            StiltsError: For rows that nothing can be learned from.
        """
        return lambda rows, language: {}

    def more_floors(
        self, metric: str, rows: Columns, language: str, rivals: Callable[[], list[list[str]] | None]
    ) -> dict[str, float]:
        """Floors that need to know what an answer could have been.

        Args:
            metric: The metric's name.
            rows: Test rows.
            language: Their language.
            rivals: What each row's context has of the type that is asked for; None where no one knows.
        """
        return {}

    # files

    def gold(self, rows: Columns, labels: Sequence[str]) -> Any:
        """The reference of canonical rows, in the form of the answers."""
        return [labels[label] for label in rows["label"]]

    def write(self, path: Path, answers: Any) -> Path:
        """Writes answers in the order of the rows.

        Raises:
            StiltsError: Answers that do not fit the format.
        """
        return write_labels(path, answers)

    def read(self, path: Path, like: Any = None) -> Any:
        """Reads answers.

        Args:
            path: The file.
            like: The gold of the same rows, whose shape the file must have; None takes what is there.

        Raises:
            StiltsError: No such file, or content that does not fit the format or the gold; names file and line.
        """
        return read_labels(path, None if like is None else len(like))

    def write_gold(self, path: Path, rows: Columns, labels: Sequence[str]) -> Path:
        """Writes the gold of canonical rows."""
        return self.write(path, self.gold(rows, labels))

    def read_gold(self, path: Path) -> Any:
        """Reads the gold in the form that the metrics take."""
        return self.read(path)

    def gold_rows(self, path: Path) -> Columns | None:
        """The rows of a file of gold, where it holds their texts too; None where it has answers alone."""
        return None

    # what a reader is shown

    def item_texts(self, rows: Columns, at: int) -> list[tuple[str, ...]]:
        """The texts of a row: name and text, or name, text, what is to be marked in it, and the text after that."""
        return [(name.replace("_", " "), str(rows[name][at])) for name in self.rows.texts if rows.get(name, [""])[at]]

    def found_texts(self, rows: Columns) -> dict[str, str]:
        """What answers name -> its text, where they name texts of the rows."""
        return {}

    def groups(self, right: Sequence[str]) -> dict[str, str]:
        """The group of an item in each of :attr:`groupings`, by its right answer as :meth:`read_gold` has it."""
        return {}

    def rank_consistency(self, one: Sequence[str], other: Sequence[str]) -> float | None:
        """How alike two languages rank the candidates of one item, from 0 to 1; None where answers are no rankings."""
        return None

    def in_words(self, answer: Any, right: Any, rows: Columns, at: int, found: Mapping[str, str]) -> Any:
        """An answer to a row as a reader wants it: the texts that it names, if it does.

        Args:
            answer: A text or a list of texts.
            right: The right answer, in the same form.
            rows: The rows.
            at: The position of the row.
            found: As :meth:`found_texts`.
        """
        named = answer if isinstance(answer, list) else [answer]
        return [found.get(key, key) for key in named[:3]] if found else answer

    def withheld(self, gold: Any, labels: Collection[str], metric: str) -> str | None:
        """Why a gold says nothing of what is right, as that of files whose labels are withheld.

        Args:
            gold: What :meth:`read_gold` returned.
            labels: What a line of a file may say; empty where that is not known.
            metric: The metric that would score it.

        Returns:
            A clause such as ``12 of its 20 labels are '-1'``; None where answers can be scored by it.
        """
        return withheld_labels(gold, labels)

    def file_labels(self, labels: Sequence[str]) -> tuple[str, ...]:
        """What a line of a file may say, by the label names of the data set; empty where it is no label."""
        return ()

    def label_lines(self, answers: Any) -> Iterator[tuple[int, str]]:
        """The labels of a file with their lines, counted from 1; only where there are :meth:`file_labels`."""
        return iter(enumerate(answers, 1))

    def refuse_submission(self, answers: Any, gold: Any) -> None:
        """Refuses answers that a leaderboard could not take.

        Raises:
            StiltsError: Says what is wrong, without the file's name.
        """
