"""Many languages as a few lines: means over resource classes and over families."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stilts_xtreme.data.language_table import CLASSES, RESOURCES, languages

MANY = 60
"""With more languages than this a printed table has groups; no benchmark of XTREME has so many."""
FEW = 3
"""Families of fewer languages than this are told together."""
UNKNOWN, OTHERS = "not in our list of languages", "other families"
MEANING = (
    "Means over groups of languages: by family, and by resource class, the amount of text in XLM-R's pretraining data "
    f"(CC-100): {', '.join(f'{name} from {least:g} GiB' for name, least in CLASSES.items() if least)}, very low below, "
    "unseen without any."
)
"""What the groups are, in a sentence."""
MEANS = ("floor", "baseline", "value", "gain")


def are_many(result: Mapping[str, Any]) -> bool:
    """Whether a cell has so many languages that what is printed is groups of them."""
    return len(result["comparison"]) > MANY


def grouped(result: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """The lines of a cell's comparison as means over groups of languages, the language that was trained on alone.

    Args:
        result: What ``result.json`` holds.

    Returns:
        Three parts: the source language; resource classes, the richest first; families, the largest first. A line has
        the fields of ``comparison``; ``language`` names the group, and ``n`` is the number of rows of all its
        languages. A mean that a language of the group lacks is None.
    """
    lines: Sequence[dict[str, Any]] = result["comparison"]
    known = languages()
    source = [line for line in lines if line["language"] == result.get("source_language")]
    others = [line for line in lines if line["language"] != result.get("source_language")]
    classes = _by(others, lambda code: known[code].resources if code in known else UNKNOWN)
    families = _by(others, lambda code: known[code].family if code in known else UNKNOWN)
    small = [line for name, own in families.items() if len(own) < FEW and name != UNKNOWN for line in own]
    large = {name: own for name, own in families.items() if len(own) >= FEW or name == UNKNOWN}
    ordered = sorted(large.items(), key=lambda item: -len(item[1])) + ([(OTHERS, small)] if small else [])
    return [
        source,
        [_mean(name, classes[name]) for name in (*RESOURCES, UNKNOWN) if name in classes],
        [_mean(name, own) for name, own in ordered],
    ]


def _by(lines: Sequence[dict[str, Any]], name: Callable[[str], str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(name(line["language"]), []).append(line)
    return found


def _mean(name: str, lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "language": f"{name} ({len(lines)} language{'s' * (len(lines) > 1)})",
        "n": sum(line["n"] for line in lines),
        "metric": lines[0]["metric"],
    }
    for field in MEANS:
        values = [line[field] for line in lines]
        made[field] = None if None in values else sum(values) / len(values)
    return made
