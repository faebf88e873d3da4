"""Where the numbers of an entry come from: trainings, their cost, and the command lines that make them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stilts_xtreme.core.text import option_value
from stilts_xtreme.report.benchmark.published import CONFIDENCE
from stilts_xtreme.report.page.runs import Run

MIXING = (
    *("merge.method", "merge.scale", "merge.density"),
    *("translation.source", "translation.languages", "translation.mode"),
)
"""Options that say which encoder or which rows an intermediate training has; a result has those that it uses."""


def lineage(found: Sequence[Run]) -> list[dict[str, Any]]:
    """A line for each run.

    Args:
        found: The runs of all entries.

    Returns:
        ``row``, ``column``, ``seed``, ``cell``, ``command``, ``trained`` (a list of ``label``, ``key``, ``steps``,
        ``seconds``, ``tokens``, ``flops`` and ``joules`` of what the run itself was trained on), ``seconds``, ``flops``
        and ``joules`` in all, ``amortised``, ``amortised_flops`` and ``amortised_joules`` (the same where a training is
        shared by the cells that start from it), ``energy_of`` (what the counters of energy count, in words),
        ``steps``, ``parameters``, ``marks`` in words, and ``published``. What is not known is None.
    """
    chains = [_chain(run.result) for run in found]
    shared = Counter(stage["key"] for chain in chains for stage in chain)
    lines = []
    for run, chain in zip(found, chains, strict=True):
        lines.append(
            {
                "row": run.row,
                "column": run.column,
                "seed": run.seed,
                "cell": run.result["cell"],
                "command": command(run.result),
                "trained": chain,
                "seconds": _total(chain, "seconds"),
                "amortised": _total(chain, "seconds", shared),
                "flops": _total(chain, "flops"),
                "amortised_flops": _total(chain, "flops", shared),
                "joules": _total(chain, "joules"),
                "amortised_joules": _total(chain, "joules", shared),
                "energy_of": sorted({of for stage in chain if (of := stage["energy_of"])}),
                "steps": sum(stage["steps"] or 0 for stage in chain) or None,
                "parameters": (run.result.get("scale") or {}).get("parameters"),
                "marks": [
                    f"{mark['verdict']}: {mark['label']} ({mark['task']}): {mark['why']}"
                    for mark in run.result.get("marks") or ()
                ],
                "published": published(run.result),
            }
        )
    return lines


def _total(chain: Sequence[Mapping[str, Any]], what: str, shared: Mapping[str, int] | None = None) -> float | None:
    """The sum over trainings, each divided by the runs that share it; None where it is not known of all of them."""
    if not chain or any(stage[what] is None for stage in chain):
        return None
    return sum(stage[what] / (shared[stage["key"]] if shared else 1) for stage in chain)


def published(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The published numbers of a cell's own setting beside its own, for a reader.

    Args:
        result: What ``result.json`` holds.

    Returns:
        For each number ``metric``, ``published``, ``value`` (both are means over all languages, in percent), ``delta``,
        ``paper``, ``table``, ``source``, ``confidence`` in words, and ``languages`` (language -> difference; empty
        where the publication has no numbers by language).
    """
    plain = ("metric", "published", "value", "delta", "paper", "table", "source")
    return [
        {
            **{name: line[name] for name in plain},
            "confidence": CONFIDENCE[line["confidence"]],
            "languages": line.get("languages") or {},
        }
        for line in result.get("published") or ()
    ]


def _chain(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trainings that a cell's own weights went through, the first one first; those of its baseline are not.

    What is trained on shots is part of an evaluation, and not among them.
    """
    stages = {stage["key"]: stage for stage in result.get("stages") or ()}
    rows: Sequence[Mapping[str, Any]] = result.get("rows") or ({},)
    last = stages.get(rows[0].get("trained"))
    if last is None:
        return []
    behind = _behind(last, stages) if "parents" in last else _by_label(last, stages)
    body = (result.get("scale") or {}).get("body")
    return [_training(stage, body) for key, stage in stages.items() if key in behind and stage["kind"] == "train"]


def _behind(last: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The keys of a stage and of all that it starts from."""
    found, todo = set[str](), [last["key"]]
    while todo:
        key = todo.pop()
        if key in stages and key not in found:
            found.add(key)
            todo += stages[key]["parents"]
    return found


def _by_label(last: Mapping[str, Any], stages: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The same in a result of an earlier version, which did not record what a stage starts from.

    The label of a training names the one before it. What is merged or chosen is named otherwise, so then nothing is
    known.
    """
    if any(stage.get("kind") in ("merge", "select") for stage in stages.values()):
        return set()
    before = str(last["label"]).rpartition(" > ")[0]
    keys = list(stages)
    own = [stages[key] for key in keys[: keys.index(last["key"]) + 1] if stages[key].get("kind") == "train"]
    # of two trainings with one label, the later one is the cell's own: the baseline stands first
    named = {str(stage["label"]): str(stage["key"]) for stage in own}
    return {key for label, key in named.items() if label == before or label.rpartition(" > ")[0] == before}


def _training(stage: Mapping[str, Any], body: int | None) -> dict[str, Any]:
    """A training with its cost; earlier versions recorded no tokens.

    The floating-point operations are 6 for each token and each parameter outside of the embedding: 2 forward and 4
    backward (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). Attention's part that grows with the square of the
    length is left out, as there; layers that were frozen or passed over are counted as if they were trained.
    """
    info = stage.get("info") or {}
    tokens = info.get("tokens")
    return {
        "label": stage["label"],
        "key": stage["key"],
        "steps": info.get("steps"),
        "seconds": stage.get("seconds"),
        "tokens": tokens,
        "flops": None if tokens is None or body is None else 6.0 * body * tokens,
        "joules": info.get("joules"),
        "energy_of": info.get("energy_of"),
    }


def command(result: Mapping[str, Any]) -> str:
    """A command line of a cell: tasks, encoder, recipe, rows, seed, and what else names it.

    Options that only its ``config.json`` has, such as a changed learning rate, are not in it.
    """
    tasks = result["intermediate"]
    words = []
    if tasks:
        words.append(f"+intermediate={tasks[0] if len(tasks) == 1 else '[' + ','.join(tasks) + ']'}")
    if result["target"]:
        words.append(f"+target={result['target']}")
    words.append(f"model={result['model']}")
    if result.get("weights", "pretrained") != "pretrained":
        words.append(f"model.weights={result['weights']}")
    words += [f"{name}={result[name]}" for name in ("recipe", "data") if result.get(name)]
    settings, shots = result.get("settings") or {}, result.get("shots") or {}
    named = {name: result.get(name) for name in ("volume", "control")} if tasks else {}
    if result.get("volume_steps", "own") != "own":
        named["volume_steps"] = result["volume_steps"]
    if result.get("mlm"):
        named["mlm.weight"] = f"{result['mlm']:g}"
    named |= {name: settings.get(name) for name in MIXING}
    named |= {f"shots.{name}": value for name, value in shots.items()}
    named["evaluation.translate_test"] = result.get("translate_test")
    words += [f"{name}={option_value(value)}" for name, value in named.items() if value is not None]
    return shlex.join(["python", "-m", "stilts_xtreme", *words, f"seed={result['seed']}"])
