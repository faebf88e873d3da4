"""What the rule changes that chooses the weights of a target training: best, last, average, oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from stilts_xtreme.core.text import markdown as escaped
from stilts_xtreme.core.text import markdown_table
from stilts_xtreme.report.labels import labels

ORACLE = "oracle"
WARNING = (
    "The oracle chooses on dev rows of the languages themselves: it is an upper bound, no zero-shot score, and in no "
    "comparison."
)
CAPTION = "by the rule that chooses the weights of the target training"
TITLES = ("weights by", "zero-shot mean", "change", "gain", "mean of all")


def _mean(found: Mapping[str, Any], column: str) -> float | None:
    averages = found["averages"]
    return averages.get(f"zero_shot_{column}", averages.get(f"all_{column}"))


def lines(result: Mapping[str, Any]) -> list[list[str]]:
    """A line for each rule of a cell: its scores, what it changes against the cell's own rule, and its gain.

    Args:
        result: What ``result.json`` holds.

    Returns:
        Texts in the order of :data:`TITLES`; empty where the cell has one rule alone.
    """
    own = result["averages"].get("zero_shot_value", result["averages"].get("all_value"))
    table = []
    for found in result.get("rules") or ():
        value, gain, name = _mean(found, "value"), _mean(found, "gain"), found["rule"]
        if name == result["rule"]:
            name += ", the cell's own"
        table.append(
            [
                name,
                _text(value, ".1f") + "†" * bool(found["collapsed"]),
                _text(value - own if value is not None and own is not None else None, "+.1f"),
                _text(gain, "+.1f"),
                _text(found["averages"].get("all_value"), ".1f"),
            ]
        )
    return table


def notes(result: Mapping[str, Any]) -> list[str]:
    """What a reader has to know of the rules beside their numbers, a sentence each.

    Args:
        result: What ``result.json`` holds.
    """
    found = []
    for by_rule in result.get("rules") or ():
        if by_rule["rule"] == ORACLE:
            found.append(WARNING)
        elif by_rule["rule"] != result["rule"]:  # of the cell's own rule the cell itself says it
            found += [f"Weights by {by_rule['rule']}: {_said(mark)}" for mark in by_rule["marks"]]
    return found


def _said(mark: Mapping[str, Any]) -> str:
    return f"{mark['verdict'].upper()}: {mark['label']} ({mark['task']}): {mark['why']}."


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """What each rule changes in each target: the mean over the cells, against their own rule; empty without rules.

    Args:
        results: What cells returned; what collapsed or found nothing is left out.
    """
    changes: dict[str, dict[str, list[float]]] = {}
    for result, label in zip(results, labels(results), strict=True):
        own = result["averages"].get("zero_shot_value", result["averages"].get("all_value"))
        for found in result.get("rules") or ():
            value = _mean(found, "value")
            if value is not None and own is not None and not result["collapsed"] and not found["collapsed"]:
                changes.setdefault(label.column, {}).setdefault(found["rule"], []).append(value - own)
    if not changes:
        return ""
    rules = list(dict.fromkeys(rule for by_rule in changes.values() for rule in by_rule))
    table = [
        [
            target,
            *(f"{fmean(by_rule[rule]):+.1f}" if rule in by_rule else "" for rule in rules),
            max(map(len, by_rule.values())),
        ]
        for target, by_rule in changes.items()
    ]
    own = ", ".join(sorted({result["rule"] for result in results if result.get("rules")}))
    about = f"What the choice of the weights changes in the zero-shot mean, against the cells' own rule ({own}):"
    warning = [WARNING] if ORACLE in rules else []
    parts = [escaped(about), "\n".join(markdown_table(["target", *rules, "cells"], table)), *warning]
    return "\n\n".join(parts) + "\n"
