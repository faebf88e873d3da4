"""The matrix as a table in LaTeX, with the rules of booktabs."""

from __future__ import annotations

from stilts_xtreme.core.text import latex
from stilts_xtreme.report.entries import Matrix
from stilts_xtreme.report.evidence import Evidence, Findings
from stilts_xtreme.report.intervals import mean_interval
from stilts_xtreme.report.statistics.power import ALPHA

HEAD = "% Needs \\usepackage{booktabs} and \\usepackage{textcomp}. Letters of other scripts need XeLaTeX or LuaLaTeX.\n"


def table(matrix: Matrix, found: Findings) -> str:
    """The gains with their intervals, and the scores without an intermediate task.

    Args:
        matrix: The matrix.
        found: What its gains show.
    """
    gained = [row for row in matrix.rows if any((row, column) in found.entries for column in matrix.columns)]
    others = [row for row in matrix.rows if row not in gained]
    best = {column: _best(found, column) for column in matrix.columns}
    lines = [" & ".join(["After", *map(latex, matrix.columns)]) + r" \\", r"\midrule"]
    for row in others:
        lines.append(" & ".join([latex(row), *(_score(matrix, row, column) for column in matrix.columns)]) + r" \\")
    if others and gained:
        lines.append(r"\midrule")
    for row in gained:
        cells = [_gain(matrix, found, row, column, best[column] == row) for column in matrix.columns]
        lines.append(" & ".join([latex(row), *cells]) + r" \\")
    body = "\n".join(lines)
    synthetic = "Synthetic data: of no meaning beyond this program. " if matrix.synthetic else ""
    caption = (
        f"{synthetic}Above: mean score over the languages that are not trained on, without a gain. "
        r"Below: gain over no intermediate task in points, with its interval of 95\,\%. Bold: the best of the target. "
        rf"$^*$: $p \le {ALPHA:g}$ after Holm's correction over all entries. "
        r"$\dagger$: a seed collapsed and is left out."
    )
    return (
        f"{HEAD}\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:transfer-matrix}}\n"
        f"\\begin{{tabular}}{{l{'r' * len(matrix.columns)}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
        "\\end{table}\n"
    )


def _best(found: Findings, column: str) -> str | None:
    """The row with the highest gain above zero."""
    gains = {e.row: e.mean.value for (_, c), e in found.entries.items() if c == column and not e.control}
    row = max(gains, key=lambda name: gains[name], default=None)
    return row if row is not None and gains[row] > 0 else None


def _score(matrix: Matrix, row: str, column: str) -> str:
    entry = matrix.entries.get((row, column))
    if entry is None:
        return ""
    mark = r"$\dagger$" if entry.collapsed else ""
    return f"{mean_interval(entry.zero_shot.values())[0]:.1f}{mark}" if entry.zero_shot else mark


def _gain(matrix: Matrix, found: Findings, row: str, column: str, best: bool) -> str:
    evidence = found.entries.get((row, column))
    if evidence is None:
        return _score(matrix, row, column)
    value = f"${evidence.mean.value:+.1f}$"
    star = "$^*$" if found.holm.get((row, column), 1.0) <= ALPHA else ""
    mark = r"$\dagger$" if evidence.collapsed else ""
    return (rf"\textbf{{\boldmath {value}}}" if best else value) + star + mark + _between(evidence)


def _between(evidence: Evidence) -> str:
    if not evidence.known:
        return ""
    low, high = evidence.mean.interval()
    return rf" {{\scriptsize $[{low:+.1f}, {high:+.1f}]$}}"
