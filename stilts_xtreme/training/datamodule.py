"""Rows as Lightning takes them: the steps of a training, and the languages of an evaluation as named loaders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl

from stilts_xtreme.core.checks import whole
from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import Columns, DatasetSpec, DataSpec
from stilts_xtreme.data import own
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.data.task import data_of, task_of
from stilts_xtreme.models.batch import Features
from stilts_xtreme.models.tokenizer import compare_unknown, refuse_unknown, unknown_share
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.evaluation import Candidates, Sample
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.training.loaders import Epochs, Portions, Whole


class TaskDataModule(pl.LightningDataModule):
    """The rows of one task for a module of this package, tokenised with the tokenizer of the module's encoder.

    Rows are those of a task of the package::

        data = TaskDataModule("xnli")                         # of the embedded synthetic data
        data = TaskDataModule("xnli", data="/my/folder")      # of a folder laid out like the hub, or data="hub"

    or one's own, in the canonical columns of the module's format (:mod:`core.schema`), each split as a mapping of
    lists, a ``datasets.Dataset`` or a file, and where there are several languages as a mapping from language to these::

        data = TaskDataModule("reviews", train="reviews.csv", test={"de": "de.csv", "sw": "sw.csv"},
                              columns={"text_a": "review", "label": "stars"})

    A training step is one optimiser step on ``batch_size`` examples. A target task trains on its training set in
    English; of several, as ``xcopa`` has them, on the last one or on that named by ``train_on``. Validation and test
    loaders are named ``<task>/<language>``; validation takes the dev rows of every language that has some, else those
    of the training set.

    Args:
        task: A target or intermediate task of the package; with own rows any name.
        train: Own rows to train on.
        validation: Own rows to validate on.
        test: Own rows to test on.
        predict: Own rows to predict; None: those of ``test``.
        candidates: Own candidates of a ranking: a mapping of ``id``, ``text`` and, optionally, ``context``.
        columns: Canonical column -> its name in the own rows.
        labels: Label names of own rows in the order of the logits; None: those that the training rows tell.
        metric: Metric of own rows; None: the usual one of the format.
        language: Language of own rows that are not given by language.
        data: Where the package's task has its rows: ``synthetic``, ``hub`` or a folder.
        train_on: Which training set of the package's target task is trained on; None: the last one.
        languages: Languages of validation and test; None: all that are there. Dev rows may be there for some of them.
        batch_size: Examples of an optimiser step.
        max_rows: Rows of a split in a language at the most, the first ones.
        micro_batch_tokens: Tokens of a batch of evaluation at the most, padding included.
        seed: Decides the order of the rows; None: that of the module's optimisation.

    Raises:
        StiltsError: For an unknown task, rows that cannot be read, or rows that do not fit the module.
    """

    def __init__(
        self,
        task: str,
        *,
        train: Any = None,
        validation: Any = None,
        test: Any = None,
        predict: Any = None,
        candidates: Any = None,
        columns: Mapping[str, str] | None = None,
        labels: Sequence[str] | None = None,
        metric: str | None = None,
        language: str = "en",
        data: str | DataSpec = "synthetic",
        train_on: str | None = None,
        languages: Sequence[str] | None = None,
        batch_size: int = 32,
        max_rows: int | None = None,
        micro_batch_tokens: int = 16_384,
        seed: int | None = None,
    ):
        super().__init__()
        if isinstance(languages, str):
            raise StiltsError(f"TaskDataModule.languages={languages} is a text; give a list, as in ['{languages}'].")
        whole("TaskDataModule.batch_size", batch_size, 1)
        whole("TaskDataModule.max_rows", max_rows, 1, optional=True)
        whole("TaskDataModule.micro_batch_tokens", micro_batch_tokens, 1)
        given = {"train": train, "validation": validation, "test": test, "predict": predict}
        self.tables = {split: _by_language(rows, split, language) for split, rows in given.items() if rows is not None}
        self.own_candidates = candidates
        self.task = None if self.tables else task_of(task, train_on)
        self.name: str = self.task.name if self.task else task
        self.metric = metric or (self.task.metric if self.task else None)
        self.columns = dict(columns or {})
        self.data = data_of(data)
        self.languages = tuple(languages) if languages is not None else None
        self.batch_size, self.max_rows, self.seed = batch_size, max_rows, seed
        self.micro_batch_tokens = micro_batch_tokens
        self._labels = tuple(labels) if labels is not None else None
        self._samples: dict[str, list[Sample]] = {}
        self._train: tuple[str, Features] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names of the task in the order of the logits: what the module takes.

        Raises:
            StiltsError: When own rows do not tell them.
        """
        if self._labels is not None:
            return self._labels
        if self.task is not None:
            return source_of(self.task.test or self.task.train[0], self.data).labels()
        for column in ("tags", "label"):
            found = {
                own.names_of(table, self.columns, column)
                for split in ("train", "validation", "test")
                for table in self.tables.get(split, {}).values()
            } - {()}
            if len(found) == 1:
                return found.pop()
        raise StiltsError(
            f"{self.name}: the rows do not tell the names of their labels; give TaskDataModule(labels=[...])."
        )

    def setup(self, stage: str) -> None:
        """Reads and tokenises what a stage of the trainer needs.

        Args:
            stage: ``fit``, ``validate``, ``test`` or ``predict``.

        Raises:
            StiltsError: For rows that are missing or do not fit the module.
        """
        stage = str(getattr(stage, "value", stage))
        module = self._module()
        if stage == "fit":
            name, rows = self._train_rows(module)
            self._train = (name, module.features(rows, module.tokenizer))
            refuse_unknown(self._train[1], module.tokenizer, module.encoder.place, name)
            if not len(self._train[1]):
                raise StiltsError(f"{name}: its train split has no usable rows.")
        splits = {"fit": "validation", "validate": "validation", "test": "test", "predict": "predict"}
        self._samples[stage] = self._read(module, splits[stage])
        if not self._samples[stage] and stage != "fit":
            raise StiltsError(f"{self.name} has no rows to {stage}: give TaskDataModule({splits[stage]}=...).")

    def train_dataloader(self) -> Epochs:
        """One optimiser step after the other."""
        assert self._train is not None
        name, features = self._train
        seed = self.seed if self.seed is not None else self._module().setting().seed
        trainer = self.trainer
        return Epochs(name, features, self.batch_size, seed, (lambda: trainer.global_step) if trainer else None)

    def val_dataloader(self) -> dict[str, Portions]:
        """``<task>/<language>`` -> its loader; none where there are no rows to validate on."""
        return self._loaders("validate" if self.trainer and self.trainer.state.fn == "validate" else "fit")

    def test_dataloader(self) -> dict[str, Portions]:
        """``<task>/<language>`` -> its loader."""
        return self._loaders("test")

    def predict_dataloader(self) -> dict[str, Whole]:
        """``<task>/<language>`` -> a loader that gives all rows at once, so that their answers are in their order."""
        return {sample.name: Whole(sample) for sample in self._samples["predict"]}

    def _loaders(self, stage: str) -> dict[str, Portions]:
        return {sample.name: Portions(sample, self.micro_batch_tokens) for sample in self._samples[stage]}

    def _module(self) -> HeadModule:
        """The module of the trainer, which fits the task.

        Raises:
            StiltsError: Without one, or for one of another format or with other labels.
        """
        module: Any = self.trainer.lightning_module if self.trainer is not None else None
        if not isinstance(module, HeadModule):
            raise StiltsError(
                "A TaskDataModule is set up by a trainer with a module of this package, as in "
                f"pl.Trainer().fit(ClassificationModule(...), data), not with {type(module).__name__}."
            )
        if self.task is not None and self.task.head != module.format:
            raise StiltsError(
                f"{self.name} has the format {self.task.head}, and {type(module).__name__} is for {module.format}."
            )
        if self.metric is not None:
            format_of(module.format).metric(self.metric)  # which refuses one of another format
        if self.task is not None and module.needs_labels and module.labels != self.labels:
            raise StiltsError(
                f"{self.name} has the labels {', '.join(self.labels)}, and the module {', '.join(module.labels)}; "
                "give it those of the data module (labels=data.labels)."
            )
        return module

    def _train_rows(self, module: HeadModule) -> tuple[str, Columns]:
        """The rows to train on, and the name that decides their order."""
        if self.task is None:
            if "train" not in self.tables:
                raise StiltsError(f"{self.name} has no rows to train on: give TaskDataModule(train=...).")
            return self.name, self._joined([self._own(module, "train", language) for language in self.tables["train"]])
        if not self.task.train:
            raise StiltsError(f"{self.name} is not trained; use trainer.validate, trainer.test or predict.")
        sources = [source_of(spec, self.data) for spec in self.task.train]
        parts = [source.rows("train", source.source_language)[0] for source in sources]
        return "+".join(spec.name for spec in self.task.train), self._joined(parts)

    def _joined(self, parts: Sequence[Columns]) -> Columns:
        return {name: [value for part in parts for value in self._first(part)[name]] for name in parts[0]}

    def _first(self, rows: Columns) -> Columns:
        return {name: values[: self.max_rows] for name, values in rows.items()}

    def _own(self, module: HeadModule, split: str, language: str) -> Columns:
        table = self.tables[split][language]
        return own.canonical(table, module.format, self.columns, module.labels, self.name, split, language)

    def _read(self, module: HeadModule, split: str) -> list[Sample]:
        """The rows of a split, language after language; the language that is trained on first."""
        found: dict[str, Columns] = {}
        if self.task is None:
            split = "test" if split == "predict" and "predict" not in self.tables else split
            found = {language: self._own(module, split, language) for language in self.tables.get(split, {})}
        else:
            for spec, languages in self._sources("test" if split == "predict" else split):
                for language in languages:
                    wanted = "test" if split == "predict" else split
                    found[language] = source_of(spec, self.data).rows(wanted, language)[0]
        if self.languages is not None:
            for language in self.languages:
                if language not in found and split != "validation":
                    raise unknown(f"language of {self.name}/{split}", language, found)
            found = {language: found[language] for language in self.languages if language in found}
        pool = self._candidates(module) if split != "validation" and found else None
        metric = self.metric or module.metric
        samples = []
        for language, rows in found.items():
            kept = self._first(rows)
            features = module.features(kept, module.tokenizer)
            if len(features):
                samples.append(Sample(self.name, language, metric, kept, features, candidates=pool))
        shares = {sample.language: unknown_share(sample.features, module.tokenizer) for sample in samples}
        compare_unknown(shares, module.encoder.place, self.name, self.languages is None)
        return samples

    def _sources(self, split: str) -> list[tuple[DatasetSpec, tuple[str, ...]]]:
        """The data sets of the package's task that have rows of a split, and their languages."""
        assert self.task is not None
        trained = [source_of(spec, self.data) for spec in self.task.train[:1]]
        test = self.task.test
        if test is not None:
            tests = source_of(test, self.data)
            source, there = (*trained, tests)[0].source_language, tests.languages(split)
            if there:
                wanted = there if self.languages is None else tuple(one for one in self.languages if one in there)
                for one in self.languages or ():
                    if one not in there and split != "validation":
                        raise unknown(f"language of {self.name}/{split}", one, there)
                return [(test, tuple(sorted(wanted, key=lambda language: language != source)))]
        return [
            (source.spec, (source.source_language,))
            for source in trained
            if source.source_language in source.languages(split)
        ]

    def _candidates(self, module: HeadModule) -> Candidates | None:
        """What a ranking chooses from."""
        kind = format_of(module.format).candidates
        if kind is None:
            return None
        if self.own_candidates is not None:
            table = own.table(self.own_candidates, f"{self.name}/candidates")
            rows = own.canonical(table, kind.name, {}, (), self.name, "predict")
        elif self.task is not None and self.task.candidates is not None:
            pool = source_of(self.task.candidates, self.data)
            rows = self._joined([pool.rows("test", language)[0] for language in pool.languages("test")])
        else:
            return None
        return Candidates(rows["id"], module.candidates(rows, module.tokenizer))


def _by_language(rows: Any, split: str, language: str) -> dict[str, Any]:
    """Language -> its rows."""
    import datasets

    several = isinstance(rows, Mapping) and all(
        isinstance(part, Mapping | str | datasets.Dataset) or hasattr(part, "__fspath__") for part in rows.values()
    )
    if not several:
        return {language: own.table(rows, split, split)}
    return {str(code): own.table(part, f"{split}/{code}", split) for code, part in rows.items()}
