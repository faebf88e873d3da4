"""The distance of baselines from their floors, in the source language and by the share of text in pretraining."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from stilts_xtreme.core.text import markdown as markdown_text
from stilts_xtreme.data.synthetic import SHARES
from stilts_xtreme.report.labels import labels, meaningless, random_weights

LEFT_OUT = "–"
"""What stands in the place of a score that is not above its floor."""


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """The table of the baselines in a synthetic world, averaged over their seeds.

    Args:
        results: What cells came to; those with an intermediate task or random weights are passed over, and
            those of a training that collapsed or found nothing. So are encoders that read some of the languages alone:
            the shares of text are not theirs.

    Returns:
        A table with a line per target, and per encoder and setting where there are several: score and best floor in the
        source language, then score and best floor for each share of pretraining text. A score in languages that
        pretraining saw is left out where it is not above its floor, and a line below says why: it would be read as
        transfer. Empty where there is no such baseline, or where floors were not asked for.
    """
    lines: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    kept = [
        result
        for result in results
        if result["synthetic"]
        and result["target"]
        and not result["intermediate"]
        and not random_weights(result)
        and not (result.get("settings") or {}).get("model.languages")
        and not meaningless(result)
    ]
    for result, label in zip(kept, labels(kept), strict=True):
        source = result.get("source_language")
        with_floor = [line for line in result["comparison"] if line.get("floor") is not None]
        if with_floor:
            own = [{**line, "source": line["language"] == source} for line in with_floor]
            lines.setdefault((label.row, label.column), []).extend(own)
    if not lines:
        return ""
    several = len({row for row, _ in lines}) > 1
    shares = sorted(set(SHARES.values()), reverse=True)
    titles = ["target", "source language", *(f"text x{share:g}" if share else "unseen" for share in shares)]
    table = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    for (row, column), found in lines.items():
        cells = [_against([line for line in found if line["source"]], seen=True)]
        for share in shares:
            here = [line for line in found if not line["source"] and SHARES[line["language"]] == share]
            cells.append(_against(here, seen=share > 0))
        called = f"{row} > {column}" if several else column
        table.append(f"| {markdown_text(called)} | " + " | ".join(cells) + " |")
    if any(f"| {LEFT_OUT}" in line for line in table):
        table += ["", f"{LEFT_OUT}: left out, as it is not above its floor and so shows no transfer."]
    return "\n".join(table)


def _against(lines: Sequence[Mapping[str, Any]], seen: bool) -> str:
    if not lines:
        return ""
    score, floor = (fmean(line[name] for line in lines) for name in ("value", "floor"))
    return f"{LEFT_OUT} ({floor:.1f})" if seen and score <= floor else f"{score:.1f} ({floor:.1f})"
