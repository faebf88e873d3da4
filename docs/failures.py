"""Where zero-shot transfer fails, beside what the tokenizer makes of each language.

It reads the figures that are kept in ``docs/results`` and prints tables of ``docs/results-real.md``::

    python docs/failures.py
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from scipy.stats import spearmanr

from stilts_xtreme.data.language_table import languages

RESULTS = Path(__file__).parent / "results"
BOUNDS = (0.0, 1.75, 2.0, 2.25, 2.5, 3.0, 99.0)
"""Sub-tokens per word at which a line of the table begins."""
UNKNOWN = 0.02
"""The share of unknown sub-tokens from which on a language is listed."""
TARGETS = {"sib200": "accuracy", "udpos": "f1", "tatoeba": "accuracy"}


def lines(name: str) -> list[dict[str, str]]:
    """The lines of a file of figures."""
    with (RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scores(target: str) -> dict[str, float]:
    """Language -> score of six layers without an intermediate task, the mean over the seeds."""
    asked = {
        "target": target,
        "metric": TARGETS[target],
        "model": "me5_small/6",
        "intermediate": "none",
        "shots.k": "0",
    }
    found: dict[str, list[float]] = {}
    for line in lines("me5_small-sizes.csv"):
        if all(line[key] == value for key, value in asked.items()) and not line["translate_test"]:
            found.setdefault(line["language"], []).append(float(line["value"]))
    return {language: fmean(values) for language, values in found.items()}


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table of Markdown."""
    for row in (titles, ["---"] * len(titles), *rows):
        print(f"| {' | '.join(row)} |")
    print()


def main() -> None:
    """Prints the tables."""
    known, score = languages(), scores("sib200")
    tokens = {line["language"]: line for line in lines("me5_small-tokens.csv")}
    fertility = {code: float(line["fertility"]) for code, line in tokens.items() if line["fertility"] and code != "en"}
    seen = [code for code in fertility if known[code].cc100_gib]
    unseen = [code for code in fertility if not known[code].cc100_gib]

    rows = []
    for low, high in itertools.pairwise(BOUNDS):
        groups = [[score[code] for code in group if low <= fertility[code] < high] for group in (seen, unseen)]
        cells = [cell for own in groups for cell in (str(len(own)), f"{fmean(own):.1f}" if own else "")]
        rows.append([f"{low:g} to {high:g}", *cells])
    table(("sub-tokens per word", "seen languages", "score", "unseen languages", "score"), rows)

    def rank(name: str, of: Callable[[str], float], group: Sequence[str]) -> None:
        found = spearmanr([of(code) for code in group], [score[code] for code in group])
        print(f"{name}, {len(group)} languages: rank correlation {found.statistic:+.2f}, p {found.pvalue:.1g}")

    rank("text in CC-100, seen", lambda code: known[code].cc100_gib, seen)
    rank("sub-tokens per word, seen", fertility.__getitem__, seen)
    rank("sub-tokens per word, unseen", fertility.__getitem__, unseen)
    print()

    shares = sorted(((float(line["unknown"]), code) for code, line in tokens.items()), reverse=True)
    rows = [
        [f"{known[code].name} (`{code}`)", f"{100 * share:.0f} %", f"{score[code]:.1f}"]
        for share, code in shares
        if share >= UNKNOWN
    ]
    table(("language", "unknown sub-tokens", "score"), rows)

    by_target = {target: scores(target) for target in TARGETS}
    common = sorted(set.intersection(*map(set, by_target.values())), key=lambda code: -known[code].cc100_gib)
    rows = [
        [
            f"{known[code].name} (`{code}`)",
            f"{known[code].cc100_gib:g}",
            f"{float(line):.2f}" if (line := tokens[code]["fertility"]) else "no spaces",
            *(f"{by_target[target][code]:.1f}" for target in TARGETS),
        ]
        for code in common
    ]
    table(("language", "GiB in CC-100", "sub-tokens per word", *TARGETS), rows)


if __name__ == "__main__":
    main()
