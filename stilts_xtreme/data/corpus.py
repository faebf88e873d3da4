"""The synthetic world's unlabelled text, which ``mini`` is pretrained on by default."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.core.specs import Cell, Target, TrainTask
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.sources import generated, source_of

if TYPE_CHECKING:
    from stilts_xtreme.data import synthetic


def world_of(data: DataSpec) -> synthetic.World:
    """The world that the ``data`` group describes; with real data the default one."""
    from stilts_xtreme.data import synthetic

    return synthetic.World.from_mapping(data.world if generated(data) else {})


def world_identity(data: DataSpec) -> dict[str, Any]:
    """What the world's unlabelled text depends on: nothing of its rows."""
    from stilts_xtreme.data import synthetic

    world = world_of(data)
    options = {"seed": world.seed, "languages": world.languages, "sentences": world.sentences, "mixed": world.mixed}
    return {"kind": "synthetic", "version": synthetic.WORLD_VERSION, "world": options}


def world_key(data: DataSpec) -> dict[str, Any]:
    """What of a world an encoder depends on: not how many rows or sentences there are of it."""
    identity = world_identity(data)
    return {"version": identity["version"], **{name: identity["world"][name] for name in ("seed", "languages")}}


def world_text(data: DataSpec) -> list[str]:
    """The languages of the world that have unlabelled text."""
    from stilts_xtreme.data import synthetic

    return [code for code in synthetic.LANGUAGES[: world_of(data).languages] if synthetic.SHARES[code]]


def world_corpus(data: DataSpec, languages: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Language -> texts.

    Args:
        data: Where rows come from.
        languages: Those that are taken; None: all.
    """
    from stilts_xtreme.data import synthetic

    world = world_of(data)
    known = synthetic.LANGUAGES[: world.languages]
    texts = {language: synthetic.corpus(world, language) for language in languages or known}
    if not any(texts.values()):
        raise StiltsError("data.world.sentences leaves no text to pretrain on; take a larger number.")
    return texts


def own_text(data: DataSpec, tasks: Sequence[TrainTask], target: Target | None) -> list[DatasetSpec]:
    """The data sets whose text an encoder that is pretrained here learns from where nothing else is said.

    They are those of the target, or else of the intermediate tasks; without those of the synthetic world, whose text is
    the world's.
    """
    specs = [spec for task in tasks for spec in task.datasets]
    if target:
        specs = [spec for task in target.train for spec in task.datasets] + [target.test]
        specs += [target.candidates] if target.candidates else []
    return [spec for spec in specs if not source_of(spec, data).synthetic]


def corpus_specs(cell: Cell) -> list[DatasetSpec]:
    """The data sets whose text ``mini`` is pretrained on; empty for the synthetic world's own corpus.

    Raises:
        StiltsError: For a data set by name that has no text of its own, since it is the synthetic world's.
    """
    corpus = cell.model.corpus
    own = {spec.name: spec for spec in own_text(cell.data, cell.intermediate_tasks, cell.target)}
    if corpus in (None, "auto"):
        return [own[name] for name in sorted(own)]
    if corpus == "synthetic":
        return []
    named = sorted(str(name) for name in (corpus if isinstance(corpus, list) else [corpus]))
    known = {spec.name: spec for spec in own_text(cell.data, cell.intermediate_tasks, None)} | own
    if generated(cell.data) and any(name not in known for name in named):
        raise StiltsError(
            f"model.corpus={','.join(named)} needs data=hub; with data=synthetic the corpus is the world's own."
        )
    return [known[name] if name in known else catalogue.load_spec(name) for name in named]
