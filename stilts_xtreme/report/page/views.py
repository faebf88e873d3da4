"""The numbers of the page: a view for the official metric, and one for each other metric and selection rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from stilts_xtreme.report.entries import Matrix
from stilts_xtreme.report.evidence import Evidence, Findings
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.page.pretraining_text import CLASSES, known
from stilts_xtreme.report.page.runs import Run, metrics
from stilts_xtreme.report.statistics.gains import gain_of_scores, paired_gains

DRAWS = 300
"""Resamples for the means of classes of languages: their intervals are not tested, only shown."""

_NAMED = [(by, name) for by, names in CLASSES.items() for name in names]

Scores = Mapping[int, tuple[Mapping[str, float], Mapping[str, float]]]
"""Seed -> language -> score, of a run and of what it is compared with, which may be empty."""


def views(found: Sequence[Run], matrix: Matrix, shown: Findings) -> list[dict[str, Any]]:
    """All views; the first is the one by the official metric and the cells' own rule.

    Args:
        found: The runs.
        matrix: The matrix.
        shown: What its gains show.

    Returns:
        For each view ``label``, ``metric`` and ``rule`` (empty: the official one, the cells' own), and ``cells``:
        ``row``, ``column`` and numbers as :func:`_cell` gives them.
    """
    places = _places(found)
    views = [
        _view("official metric", "", "", [_main(place, of, matrix, shown) for place, of in places.items()]),
    ]
    for metric in metrics(found):
        cells = [_of_scores(place, _by_metric(of, metric), of) for place, of in places.items()]
        views.append(_view(metric, metric, "", filter(None, cells)))
    for rule in dict.fromkeys(entry["rule"] for run in found for entry in run.result.get("rules") or ()):
        cells = [_of_scores(place, _by_rule(of, rule), of) for place, of in places.items()]
        views.append(_view(f"official metric, weights by {rule}", "", rule, filter(None, cells)))
    return views


def _view(label: str, metric: str, rule: str, cells: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"label": label, "metric": metric, "rule": rule, "cells": list(cells)}


def _places(found: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    places: dict[tuple[str, str], list[Run]] = {}
    for run in found:
        places.setdefault((run.row, run.column), []).append(run)
    return places


def _by_metric(of: Sequence[Run], metric: str) -> Scores:
    return {run.seed: (run.scores(metric), run.base_scores(metric)) for run in of if not run.lost}


def _by_rule(of: Sequence[Run], rule: str) -> Scores:
    scores: dict[int, tuple[Mapping[str, float], Mapping[str, float]]] = {}
    for run in of:
        for entry in run.result.get("rules") or ():
            if entry["rule"] == rule and not entry["collapsed"] and not entry["baseline_collapsed"]:
                lines = entry["comparison"]
                base = {line["language"]: line["baseline"] for line in lines if line["baseline"] is not None}
                scores[run.seed] = {line["language"]: line["value"] for line in lines}, base
    return scores


def _main(place: tuple[str, str], of: Sequence[Run], matrix: Matrix, shown: Findings) -> dict[str, Any]:
    """An entry by the official metric, with what its evidence shows."""
    entry, evidence = matrix.entries[place], shown.entries.get(place)
    scores = {run.seed: (run.scores(), run.baseline) for run in of if not run.lost}
    cell = _of_scores(place, scores, of) or _cell(place, {}, (), None)
    cell["collapsed"] = sorted({run.seed for run in of if run.lost} | entry.collapsed)
    cell["unsure"], cell["floor"] = sorted(entry.unsure), entry.floor
    if entry.zero_shot and cell["value"] is None:  # what it is compared with means nothing, but it does not
        cell["value"] = fmean(entry.zero_shot.values())
    if evidence is None:
        return cell
    for language, line in cell["languages"].items():
        if (gain := evidence.gains.get(language)) is not None:
            line["gain"] = gain.value
            line["low"], line["high"] = gain.interval() if evidence.known else (None, None)
    mean = evidence.mean
    low, high = mean.interval() if evidence.known else (None, None)
    return {
        **cell,
        "gain": mean.value,
        "low": low,
        "high": high,
        "p": shown.holm.get(place),
        "verdict": shown.verdict(place),
        "smallest": evidence.smallest,
        "helped": evidence.helped if evidence.known else None,
        "of": len(evidence.languages),
        "named": list(evidence.named) if evidence.known else [],
        "by_items": evidence.by_items,
        "classes": _classes(evidence, scores),
    }


def _classes(evidence: Evidence, scores: Scores) -> list[dict[str, Any]]:
    """The mean gain over the languages of each class, apart: low-resource languages are not in one mean with others.

    Returns:
        For each class that has a language ``by`` and ``name`` (a key of :data:`CLASSES` and one of its classes),
        ``languages``, ``gain``, ``low`` and ``high``.
    """
    found = [
        (by, name, [code for code in evidence.languages if getattr(known(code), by) == name]) for by, name in _NAMED
    ]
    members = {f"{by} {name}": codes for by, name, codes in found if codes}
    if evidence.arms is not None:
        gains = paired_gains(*evidence.arms, evidence.parallel, members, DRAWS)
    else:
        compared = {seed: pair for seed, pair in scores.items() if seed in evidence.mean.seeds}
        gains = gain_of_scores(compared, evidence.languages, members)
    lines = []
    for by, name, codes in found:
        if codes:
            gain = gains[f"{by} {name}"]
            low, high = gain.interval() if evidence.known else (None, None)
            lines.append({"by": by, "name": name, "languages": codes, "gain": gain.value, "low": low, "high": high})
    return lines


def _of_scores(place: tuple[str, str], scores: Scores, of: Sequence[Run]) -> dict[str, Any] | None:
    """An entry from scores alone: intervals are over seeds; None without any score.

    Where some seeds can be compared, the others are in no mean: a score less the score before is then the gain.
    """
    scores = {seed: pair for seed, pair in scores.items() if pair[0]}
    scores = {seed: pair for seed, pair in scores.items() if pair[1]} or scores
    if not scores:
        return None
    return _cell(place, scores, sorted(scores), of[0].source)


def _cell(place: tuple[str, str], scores: Scores, seeds: Sequence[int], source: str | None) -> dict[str, Any]:
    """The numbers of an entry; None for what is not known."""
    every = [code for code in (scores[seeds[0]][0] if seeds else ()) if all(code in scores[s][0] for s in seeds)]
    zero_shot = [code for code in every if code != source] or every
    based = bool(seeds) and all(code in scores[s][1] for s in seeds for code in every)

    def mean(codes: Sequence[str], arm: int) -> list[float]:
        return [fmean(scores[s][arm][code] for code in codes) for s in seeds] if codes else []

    def gains(codes: Sequence[str]) -> list[float]:
        return [own - base for own, base in zip(mean(codes, 0), mean(codes, 1), strict=True)] if based else []

    languages = {}
    for code in every:
        gain, low, high = _interval(gains([code]))
        base = fmean(mean([code], 1)) if based else None
        value = fmean(mean([code], 0))
        languages[code] = {"value": value, "baseline": base, "gain": gain, "low": low, "high": high}
    gain, low, high = _interval(gains(zero_shot))
    of_source = [source] if source in every and len(every) > 1 else []
    score = fmean(mean(zero_shot, 0)) if zero_shot else None
    in_source = fmean(mean(of_source, 0)) if of_source else None
    before = fmean(mean(zero_shot, 1)) if based and zero_shot else None
    base_in_source = fmean(mean(of_source, 1)) if based and of_source else None
    return {
        "row": place[0],
        "column": place[1],
        "value": score,
        "baseline": before,
        "gain": gain,
        "low": low,
        "high": high,
        "source": in_source,
        "source_gain": _less(in_source, base_in_source),
        "gap": _less(in_source, score),
        "gap_before": _less(base_in_source, before),
        "seeds": list(seeds),
        "of": len(zero_shot),
        "up": sum((line["gain"] or 0) > 0 for code, line in languages.items() if code in zero_shot),
        "languages": languages,
    }


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _interval(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    if not values:
        return None, None, None
    mean, half = mean_interval(values)
    return (mean, None, None) if half is None else (mean, mean - half, mean + half)
