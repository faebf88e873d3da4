"""What a study came to: verdicts in fixed words, the tables they rest on, and what might explain them instead."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.text import markdown as escaped
from stilts_xtreme.core.text import markdown_table
from stilts_xtreme.report.evidence import REGION
from stilts_xtreme.report.intervals import probability
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.languages import adjusted
from stilts_xtreme.report.statistics.power import ALPHA, seeds_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure


UNDECIDED = "not decidable"
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Planned:
    """What a study has to know of a cell that is not run yet.

    Attributes:
        encoder: What tells encoders apart; two sizes of one family are two encoders.
        before: The intermediate tasks; ``none`` for the baseline.
        target: The target.
        seed: The seed.
        volume: The number or share of intermediate examples; None for all.
        shots: Rows of each language; 0 for zero-shot transfer.
        draw: Which rows.
        head: The target's format; empty where it is not known.
        parallel: Whether its test rows are the same items in all languages.
        languages: Those that it is evaluated in.
        source: The language that is trained on.
    """

    encoder: str
    before: str
    target: str
    seed: int
    volume: float | int | None = None
    shots: int = 0
    draw: int = 0
    head: str = ""
    parallel: bool = True
    languages: Sequence[str] = ()
    source: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a study says of one thing.

    Attributes:
        about: A target, with a class of languages where it is not about all of them.
        verdict: In the fixed words of the analysis.
        why: The figures that it rests on.
    """

    about: str
    verdict: str
    why: str


@dataclass(frozen=True)
class Table:
    """A table of a conclusion.

    Attributes:
        caption: What it shows, in sentences.
        titles: Of its columns.
        lines: Its cells, as texts.
    """

    caption: str
    titles: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Conclusion:
    """What a study came to.

    Attributes:
        question: What it asks.
        verdicts: What it says.
        tables: What that rests on.
        confounds: What else might explain it, and what was left out, a sentence each.
        rows: All figures as tidy rows, with the same columns.
        synthetic: Whether the data are.
        draw: Draws the picture; None where there is nothing to draw.
    """

    question: str
    verdicts: Sequence[Verdict]
    tables: Sequence[Table]
    confounds: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    synthetic: bool
    draw: Callable[[], Figure] | None = field(default=None, compare=False)


def markdown(found: Conclusion, hypothesis: str | None = None) -> str:
    """A conclusion as a page.

    Args:
        found: The conclusion.
        hypothesis: What the study's file supposed before it ran.
    """
    parts = [f"**Question.** {escaped(found.question)}"]
    if hypothesis:
        parts.append(f"**Hypothesis.** {escaped(hypothesis)}")
    if found.synthetic:
        parts.append("**Synthetic data: of no meaning beyond this program.**")
    parts.append("\n".join(markdown_table(("about", "verdict", "why"), [_line(v) for v in found.verdicts])))
    for table in found.tables:
        parts += [escaped(table.caption), "\n".join(markdown_table(table.titles, table.lines))]
    if found.confounds:
        said = "\n".join(f"- {escaped(confound)}" for confound in found.confounds)
        parts.append(f"What else might explain this, and what is left out:\n\n{said}")
    return "\n\n".join(parts) + "\n"


def _line(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.about, verdict.verdict, verdict.why


def write(found: Conclusion, folder: Path, hypothesis: str | None = None) -> str:
    """Writes ``study.md``, ``study.csv``, ``study.parquet`` and, where there is something to draw, ``study.png``.

    Args:
        found: The conclusion.
        folder: Made if it is not there.
        hypothesis: What the study's file supposed.

    Returns:
        The text of the first.
    """
    from stilts_xtreme.report.evidence_page import (
        write_table,
    )  # with pandas: a plan, which asks what is lacking, has none

    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(found, hypothesis)
    write_atomic(folder / "study.md", text)
    write_table(found.rows, folder / "study")
    if found.draw is not None:
        from stilts_xtreme.report import png

        png.write(found.draw(), folder / "study.png")
    return text


def known(value: Gain) -> bool:
    """Whether a contrast has an interval: by answers, or by several seeds."""
    return value.spread.error > 0 or len(value.seeds) > 1


def shown(value: Gain) -> str:
    """A contrast in a table, such as ``+2.9 [+0.7, +5.1]``; without an interval where nothing is known of its noise."""
    if not known(value):
        return f"{value.value:+.1f}"
    low, high = value.interval()
    return f"{value.value:+.1f} [{low:+.1f}, {high:+.1f}]"


def needed(value: Gain) -> str:
    """In words, how many seeds would show a contrast of one point."""
    seeds = seeds_for(value.spread, REGION)
    if seeds is None and value.spread.df < 1:
        return "one seed says nothing of the noise of seeds; give at least three"
    if seeds is None:
        return f"no number of seeds shows {REGION:g} point: the test rows are too few"
    return f"{seeds} seeds would show {REGION:g} point"


def decided(
    about: str, value: Gain, holm: float | None, says: str, words: tuple[str, str, str], advice: str | None = None
) -> Verdict:
    """The verdict of a contrast: shown to be above or below zero, shown to be nothing, or not decidable.

    One seed decides nothing: how much another one would differ is not known.

    Args:
        about: What it is about.
        value: The contrast.
        holm: Its p, corrected by Holm; None where it has no interval.
        says: What the contrast is, in words, such as ``from the smallest to the largest size``.
        words: What is said above zero, below zero, and of a contrast of which the region of equivalence is not left.
        advice: What would decide it; None: as many seeds as :func:`needed` says.
    """
    figures = f"{shown(value)} points {says}"
    if holm is None:
        return Verdict(about, UNDECIDED, f"{figures}; one seed without answers has no interval; add seeds")
    figures += f", p {probability(holm)} after Holm's correction"
    above, below, same = words
    if holm <= ALPHA and len(value.seeds) > 1:
        return Verdict(about, above if value.value > 0 else below, figures)
    if value.p_beyond(REGION) <= ALPHA and len(value.seeds) > 1:
        return Verdict(about, same, f"{figures}; an effect of {REGION:g} point or more is refuted")
    return Verdict(about, UNDECIDED, f"{figures}; {advice or needed(value)}")


def corrected(values: Mapping[Name, Gain]) -> dict[Name, float]:
    """The ps of contrasts that have one, corrected by Holm for their number."""
    return adjusted({name: value.p for name, value in values.items() if known(value)}, "holm")


def tidy(about: Mapping[str, Any], values: Mapping[str, Gain]) -> list[dict[str, Any]]:
    """A contrast as tidy rows, one for each language and mean.

    Args:
        about: Columns that all of them have.
        values: Language or mean -> value.
    """
    rows = []
    for language, value in values.items():
        low, high = value.interval() if known(value) else (None, None)
        p = value.p if known(value) else None
        seeds = " ".join(map(str, value.seeds))
        rows.append(
            {**about, "language": language, "value": value.value, "low": low, "high": high, "p": p, "seeds": seeds}
        )
    return rows
