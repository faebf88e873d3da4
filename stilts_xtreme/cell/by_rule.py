"""What a cell scores with the weights that each rule chooses, among those of the evaluation points of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stilts_xtreme.cell.marks import marks_between, settle
from stilts_xtreme.cell.plan import CellPlan
from stilts_xtreme.core.stage import Evaluation

if TYPE_CHECKING:
    from stilts_xtreme.cell.store import Store


def by_rules(
    planned: CellPlan, store: Store, manifests: Mapping[str, Mapping[str, Any]], source: str
) -> list[dict[str, Any]]:
    """The scores by rule.

    Args:
        planned: The cell's stages, all finished.
        store: Where they are.
        manifests: Of each stage by its key.
        source: The language that is trained on.

    Returns:
        For each rule ``rule``, ``evaluation`` (the key), ``comparison`` and ``averages`` as a result has them, the
        ``marks`` of its weights with ``collapsed`` and ``baseline_collapsed``; of an oracle ``steps``, language -> the
        evaluation point that it took. An oracle, which saw dev rows of the languages, has no gain.
    """
    found = []
    for rule, (own, baseline) in planned.rules.items():
        compared = None if rule == "oracle" else baseline
        entry = _scores(rule, own, compared, store, source)
        settle(entry, marks_between(own, compared, store, manifests))
        found.append(entry)
    return found


def _scores(rule: str, stage: Evaluation, baseline: Evaluation | None, store: Store, source: str) -> dict[str, Any]:
    own = _read(stage, store)
    base = _read(baseline, store) if baseline is not None else None
    lines = []
    for language, entry in own["languages"].items():
        before = base["languages"][language]["headline"] if base else None
        value = entry["headline"]
        gain = value - before if before is not None else None
        lines.append({"language": language, "n": entry["n"], "value": value, "baseline": before, "gain": gain})
    averages = {}
    for label, kept in (("all", lines), ("zero_shot", [line for line in lines if line["language"] != source])):
        for column in ("value", "baseline", "gain"):
            values = [line[column] for line in kept if line[column] is not None]
            if values and len(values) == len(kept):
                averages[f"{label}_{column}"] = sum(values) / len(values)
    found = {"rule": rule, "evaluation": stage.key, "comparison": lines, "averages": averages}
    return {**found, "steps": own["oracle"]} if "oracle" in own else found


def _read(stage: Evaluation, store: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((store.open(stage.key) / "scores.json").read_text(encoding="utf-8"))
    return found
