"""One list of languages for the targets of a sweep, which do not all have the same ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from stilts_xtreme.cell.config import make_cell
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.data.sources import source_of

READ = ("target", "dataset", "data", "benchmark")
"""Parts of a configuration that decide which languages its target has."""


def narrowed(configs: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Leaves those languages out of ``languages=[...]`` that a target lacks and another target of the sweep has.

    So one list serves a sweep over several targets: Tatoeba, for example, has no rows in English alone. A language that
    no target has is left in, so that the cell is refused as it is without a sweep. So is a list of which nothing would
    be left.

    Args:
        configs: The composed configurations of the jobs, plain.

    Returns:
        The configurations in the same order, changed ones as copies; and a sentence for each target that lacks some.
    """
    known: dict[str, frozenset[str]] = {}
    of = [_key(config) for config in configs]
    if len(set(of) - {None}) < 2:
        return list(configs), []
    for key, config in zip(of, configs, strict=True):
        if key is not None and not known.get(key):  # a refused one does not tell, so the next one is asked
            known[key] = _languages(config)
    somewhere = frozenset().union(*known.values())
    kept, said = [], []
    for key, config in zip(of, configs, strict=True):
        asked = config["languages"] if key is not None else []  # else it is no list of languages
        lacking = [code for code in asked if key is not None and code not in known[key] and code in somewhere]
        left = [code for code in asked if code not in lacking]
        if not lacking or not left:
            kept.append(config)
            continue
        kept.append({**config, "languages": left})
        sentence = f"{config['target']['name']} has no {', '.join(lacking)} and is evaluated in the others of the list."
        said += [sentence] if sentence not in said else []
    return kept, said


def _key(config: Mapping[str, Any]) -> str | None:
    """What decides the languages of a target; None for a cell without a target, or without a list of languages."""
    asked = config.get("languages")
    if (
        not config.get("target")
        or not isinstance(asked, list | tuple)
        or not all(isinstance(code, str) for code in asked)
    ):
        return None
    return json.dumps([config.get(part) for part in READ], sort_keys=True, default=str)


def _languages(config: dict[str, Any]) -> frozenset[str]:
    """The languages that a target has; none where its configuration is refused, which is said later."""
    try:
        cell = make_cell(config)
        assert cell.target is not None
        return frozenset(source_of(cell.target.test, cell.data).wanted(cell.target.languages))
    except StiltsError:
        return frozenset()
