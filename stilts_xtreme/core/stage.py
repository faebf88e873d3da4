"""The stages of a cell in typed fields, and the identity that is derived from them.

Whoever makes, estimates or reports on a stage reads its fields. The *identity* of a stage is an explicit allow-list of
what its result depends on, made here from the fields; the key is a digest of it. It goes into keys and manifests and is
never read back: a field that is left out of it, or named otherwise in it, changes no behaviour. Paths, loggers, device,
micro-batch and names of tasks are not in it, so that two cells share every stage that would come out the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stilts_xtreme.core.inputs import FewShot, MixedMlm, Origin, RowSet, StageTask, Translated
from stilts_xtreme.core.mixing import Merge, Sampling
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import Target, TrainTask
from stilts_xtreme.core.stage_base import SCHEMA, Phase, Stage


@dataclass(frozen=True, kw_only=True)
class Pretraining(Stage):
    """An encoder that is pretrained here.

    Attributes:
        architecture: Its shape, as ``transformers`` has it.
        settings: How it is trained (``model.pretraining``).
        corpus: The rows of data sets that it learns from; empty for the synthetic world's own text.
        world: What that text depends on; None with a corpus.
    """

    kind = "pretrain"
    phase: Phase = "pretraining"
    architecture: Mapping[str, Any]
    settings: Mapping[str, Any]
    corpus: tuple[RowSet, ...] = ()
    world: Mapping[str, Any] | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that its result depends on; not the seed, it is a constant of the model."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "architecture": self.architecture,
            "pretraining": self.settings,
            "corpus": self.world if self.world is not None else [rows.content for rows in self.corpus],
        }

    def specs(self) -> list[DatasetSpec]:
        """The data sets of the corpus, each once."""
        return list({rows.spec.name: rows.spec for rows in self.corpus}.values())

    def reads(self) -> tuple[RowSet, ...]:
        """The corpus."""
        return self.corpus


@dataclass(frozen=True, kw_only=True)
class _Continuing(Stage):
    """A stage that starts from an encoder.

    Attributes:
        origin: The encoder from outside that it starts from; None with a parent.
        fresh_weights: Whether it keeps only the shape of the pretrained encoder that it starts from, and draws the
            weights anew.
        precision: As Lightning names it.
    """

    origin: Origin | None = None
    fresh_weights: bool = False
    precision: str

    def __post_init__(self) -> None:
        assert (self.parent is None) != (self.origin is None), "an encoder comes from a parent or from outside"
        trained = isinstance(self.parent, Trained)
        assert not (self.fresh_weights and trained), "what was trained is not drawn anew"

    def from_fresh_weights(self) -> bool:
        """Whether the weights of the pretrained encoder were drawn anew where the chain began."""
        return self.fresh_weights or super().from_fresh_weights()

    def _start(self) -> dict[str, Any]:
        start: Any = self.parent.key if self.parent else self.origin and self.origin.identity()
        return {"parent": start, "weights": "random"} if self.fresh_weights else {"parent": start}


@dataclass(frozen=True, kw_only=True)
class Training(_Continuing):
    """A training, joint when there are several tasks.

    Attributes:
        learns: The tasks.
        continues_head: Whether the head of the parent's only task goes on; the heads are fresh otherwise.
        seed: Of fresh heads, the order of the rows and the share that a volume leaves.
        volume: A share of the rows below 1, a number of rows, or None for all.
        volume_steps: ``own``: as many steps as the volume makes; ``whole``: as many as all rows would.
        sampling: How several tasks share the steps.
        translated: Translated rows of the tasks; None for English ones alone.
        mlm: Masked language modelling beside the tasks; None for none.
        placebo: Whether the training rows have the answers of other rows.
        longer: A training that is not made, and as many steps as it would take are added to this one; None for none.
        callbacks: Callbacks that may change the training, by name.
    """

    kind = "train"
    learns: tuple[StageTask, ...]
    continues_head: bool = False
    seed: int
    volume: float | int | None = None
    volume_steps: str = "own"
    sampling: Sampling = field(default_factory=Sampling)
    translated: Translated | None = None
    mlm: MixedMlm | None = None
    placebo: bool = False
    longer: Training | None = None
    callbacks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that its result depends on; what is not used is not named, so that new options keep old keys."""
        found: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": self.kind,
            **self._start(),
            "tasks": [task.identity() for task in self.learns],
            "head_continues": self.continues_head,
            "seed": self.seed,
            "precision": self.precision,
        }
        if self.volume is not None:
            found["volume"] = self.volume
            if self.volume_steps != "own":
                found["volume_steps"] = self.volume_steps
        if self.translated is not None:
            found["translation"] = self.translated.identity()
        if self.mlm is not None:
            found["mlm"] = self.mlm.identity()
        if len(self.learns) > 1 and self.sampling.identity():
            found["sampling"] = self.sampling.identity()
        if self.placebo:
            found["placebo"] = True
        if self.longer is not None:
            found["longer"] = self.longer.key
        if self.callbacks:
            found["callbacks"] = dict(self.callbacks)
        return found

    @property
    def tasks(self) -> tuple[TrainTask, ...]:
        """The tasks without their rows."""
        return tuple(part.task for part in self.learns)

    @property
    def head(self) -> str | None:
        """The parent's head that goes on; None where all heads are fresh."""
        if self.continues_head and isinstance(self.parent, Training | Selected):
            return self.parent.tasks[-1].name
        return None

    @property
    def keeps_points(self) -> bool:
        """Whether it leaves the weights of its evaluation points, and no model."""
        return self.tasks[0].recipe.selection == "points"

    def reads(self) -> tuple[RowSet, ...]:
        """Training rows, dev rows, translations, and the text of masked language modelling."""
        own = [rows for part in self.learns for rows in (*part.train, *part.dev)]
        if self.translated is not None:
            own += [rows for parts in self.translated.rows for rows in parts]
        if self.mlm is not None and self.mlm.rows is not None:
            own.append(self.mlm.rows)
        if self.longer is not None:  # its steps are counted from its rows
            own += [rows for rows in self.longer.reads() if rows.split == "train"]
        return tuple(own)


@dataclass(frozen=True, kw_only=True)
class Selected(Stage):
    """The weights that a rule chooses among those of the evaluation points of a training, which several rules share.

    Attributes:
        rule: ``best`` (on English dev rows), ``last`` or ``average`` (the mean of the weights of all points).
    """

    kind = "select"
    rule: str

    @property
    def identity(self) -> dict[str, Any]:
        """The training and the rule."""
        return {"schema": SCHEMA, "kind": self.kind, "parent": self.training.key, "rule": self.rule}

    @property
    def training(self) -> Training:
        """The training."""
        assert isinstance(self.parent, Training)
        return self.parent

    rebuilds = True

    @property
    def tasks(self) -> tuple[TrainTask, ...]:
        """The tasks of the training."""
        return self.training.tasks

    def reads(self) -> tuple[RowSet, ...]:
        """The dev rows of the training, for the scores of the weights."""
        return tuple(rows for part in self.training.learns for rows in part.dev)


@dataclass(frozen=True, kw_only=True)
class Merged(Stage):
    """One encoder of several that were trained apart from one another, without their heads.

    Attributes:
        merged: The trainings, which began with the same encoder.
        how: How their weights become one.
    """

    kind = "merge"
    phase: Phase = "intermediate"
    merged: tuple[Training | Selected, ...]
    how: Merge

    @property
    def identity(self) -> dict[str, Any]:
        """The trainings and the method; their order does not matter."""
        keys = sorted(stage.key for stage in self.merged)
        return {"schema": SCHEMA, "kind": self.kind, "merged": keys, **self.how.identity()}

    @property
    def parents(self) -> tuple[Stage, ...]:
        """The trainings."""
        return self.merged

    @property
    def tasks(self) -> tuple[TrainTask, ...]:
        """The tasks of the trainings."""
        return tuple(task for stage in self.merged for task in stage.tasks)

    def reads(self) -> tuple[RowSet, ...]:
        """No rows."""
        return ()


Trained = Training | Selected | Merged
"""Stages that leave an encoder which has been trained."""


@dataclass(frozen=True, kw_only=True)
class Evaluation(_Continuing):
    """An evaluation of a target.

    Attributes:
        oracle: Whether the parent is a training that kept the weights of its evaluation points, and each language is
            predicted with those that score best on its own dev rows. An upper bound, and no zero-shot score.
        target: The target, its name included: it is that of the predictions' folder.
        test: The rows that are predicted.
        settings: What else predictions and scores depend on because of the format.
        dev: The dev rows that a threshold, or the oracle's weights, are chosen on; None where none are.
        candidates: What a ranking chooses from; None for other formats.
        shots: What the parent's model is trained on in each language before it answers there; None for nothing.
        seed: Of these trainings; None without them.
    """

    kind = "evaluate"
    phase: Phase = "evaluation"
    target: Target
    test: RowSet
    settings: Mapping[str, Any]
    dev: RowSet | None = None
    candidates: RowSet | None = None
    oracle: bool = False
    shots: FewShot | None = None
    seed: int | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that its result depends on."""
        settings = {**self.settings, "rule": "oracle"} if self.oracle else dict(self.settings)
        for name, rows in (("dev", self.dev), ("candidates", self.candidates)):
            if rows is not None:
                settings[name] = rows.content
        more = {} if self.shots is None else {"shots": self.shots.identity(), "seed": self.seed}
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            **self._start(),
            **more,
            "task": self.target.name,
            "head": self.target.head,
            "metric": self.target.metric,
            "settings": settings,
            "data": self.test.content,
            "languages": list(self.languages),
            "precision": self.precision,
        }

    @property
    def rebuilds(self) -> bool:
        """For the oracle, and for shots beside English rows."""
        return self.oracle or (self.shots is not None and self.shots.options.arm == "joint")

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that are evaluated."""
        return self.test.languages

    @property
    def head(self) -> str | None:
        """The parent's head that predicts; None where the format has none that is trained."""
        return self.target.train[-1].name if self.target.train else None

    def reads(self) -> tuple[RowSet, ...]:
        """Test rows, dev rows, candidates and shots."""
        shots = (self.shots.rows, *self.shots.english) if self.shots is not None else ()
        return tuple(rows for rows in (self.test, self.dev, self.candidates, *shots) if rows is not None)
