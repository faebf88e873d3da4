"""What a saved model says of its head, so that rows can be predicted with it as they were evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from stilts_xtreme.core.errors import StiltsError, unknown
from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.models.encoder import Source, load_config
from stilts_xtreme.models.hf_heads import auto_model
from stilts_xtreme.tasks import format_of, formats
from stilts_xtreme.tasks.head import HeadModule
from stilts_xtreme.tasks.options import HeadOptions

NAME = "stilts_xtreme"
"""The entry of ``config.json``."""


@dataclass(frozen=True)
class Told:
    """What a head is.

    Attributes:
        format: The id of its format.
        labels: Label names in the order of the logits.
        options: What features and answers depend on.
        columns: Canonical column -> how the training rows called it.
        precision: In which it was trained, as Lightning names it.
        complete: Whether the folder said all of it; else the options are the usual ones.
    """

    format: str
    labels: tuple[str, ...] = ()
    options: HeadOptions = field(default_factory=HeadOptions)
    columns: Mapping[str, str] = field(default_factory=dict)
    precision: str = "32-true"
    complete: bool = True

    @classmethod
    def of(cls, module: HeadModule, datasets: Sequence[DatasetSpec], precision: str) -> Told:
        """Of a head that is saved.

        Args:
            module: The head.
            datasets: The data sets that it learnt from.
            precision: In which it was trained.
        """
        columns = datasets[0].columns if datasets else {}
        return cls(module.format, module.labels, module.options, dict(columns), precision)

    def plain(self) -> dict[str, Any]:
        """As it stands in ``config.json``."""
        return {
            "format": self.format,
            "labels": list(self.labels),
            "options": asdict(self.options),
            "columns": dict(self.columns),
            "precision": self.precision,
        }


def told(source: Source, format: str | None = None) -> Told:
    """What a saved model says of its head.

    Args:
        source: Where the model is.
        format: The format to use it for; None: that of its head.

    Raises:
        StiltsError: It cannot be read, has no head that predicts, or not one of the format.
    """
    config = load_config(source)
    found = _written(config) or _guessed(config)
    if format is not None and (found is None or found.format != format):
        if format not in formats():
            raise unknown("--format", format, _predicting())
        if format_of(format).head is not None:
            there = f"a head of the format {found.format}" if found else "no head of it"
            raise StiltsError(f"--format {format}: {source.place} has {there}; train one, or name its folder.")
        return Told(format, complete=False)
    if found is None or not format_of(found.format).metrics:
        raise StiltsError(
            f"{source.place} is an encoder without a head for a task, so it answers nothing by itself: train it, or "
            "compare sentences with it (--format retrieval or --format bitext, with --against FILE)."
        )
    return found


def _predicting() -> list[str]:
    return [name for name, format in formats().items() if format.metrics]


def _written(config: Any) -> Told | None:
    """What this package wrote into the folder; None for folders of others and of earlier versions."""
    written = getattr(config, NAME, None) or {}
    if "format" not in written:
        return None
    known = {one.name for one in fields(HeadOptions)}
    options = HeadOptions(**{name: value for name, value in written["options"].items() if name in known})
    return Told(written["format"], tuple(written["labels"]), options, written["columns"], written["precision"])


def _guessed(config: Any) -> Told | None:
    """What the name of the saved class tells."""
    architecture = (config.architectures or [""])[0]
    for name, format in formats().items():
        if format.head is None:
            continue
        classes = auto_model(format.head)._model_mapping.get(type(config), ())
        if architecture in [one.__name__ for one in (classes if isinstance(classes, tuple) else (classes,))]:
            labels = tuple(config.id2label[at] for at in sorted(config.id2label)) if format.head.names_labels else ()
            return Told(name, labels, complete=False)
    return None


def with_options(found: Told, max_length: int | None = None, threshold: float | None = None) -> Told:
    """The head with options of the user's own."""
    options = found.options
    options = options if max_length is None else replace(options, max_length=max_length)
    options = options if threshold is None else replace(options, threshold=threshold)
    return replace(found, options=options)
