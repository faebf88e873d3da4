"""What does intermediate training change in few-shot transfer, compared with zero-shot transfer?

The gain of an intermediate task with some rows of each language is compared with its gain without any. All cells
answered the same test rows, and with and without the task the same rows were drawn. So the contrasts are paired. Seeds
and draws are crossed, and the noise of both is in the intervals (:mod:`stilts_xtreme.report.statistics.two_way`).

Intermediate training may also be measured in rows: how many rows of each language, without it, come to the zero-shot
score with it?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.shots import number
from stilts_xtreme.report.evidence import EVERY, ZERO_SHOT
from stilts_xtreme.report.intervals import probability
from stilts_xtreme.report.labels import BASELINE
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.statistics.two_way import Noise
from stilts_xtreme.report.studies.compared import answered, gather, no_baseline
from stilts_xtreme.report.studies.conclusion import Conclusion, Planned, Table, corrected, decided, shown, tidy
from stilts_xtreme.report.studies.few_shot_confounds import confounds
from stilts_xtreme.report.studies.few_shot_curves import DRAWS, Curve, curves_of, few, one_draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "What does intermediate training change in few-shot transfer, compared with zero-shot transfer?"
LARGER, SMALLER, SAME = "a larger gain", "a smaller gain", "the same gain (shown equivalent)"


def lacking(planned: Sequence[Planned]) -> str | None:
    """Why planned cells cannot compare few-shot with zero-shot transfer; None where they can."""
    for encoder, target in dict.fromkeys((cell.encoder, cell.target) for cell in planned):
        own = [cell for cell in planned if (cell.encoder, cell.target) == (encoder, target)]
        if not any(cell.before == BASELINE for cell in own):
            return no_baseline(encoder, target)
        if all(cell.before == BASELINE for cell in own):
            return f"study=few_shot: {target} has no intermediate task; add one to +intermediate=."
        ks = sorted({cell.shots for cell in own})
        if ks[0] or len(ks) < 2:
            return few(target, ks)
        for k in ks[1:]:
            draws = {cell.draw for cell in own if cell.shots == k}
            if len(draws) < DRAWS:
                return one_draw(target, k)
    return None


def analyse(cells: Sequence[FinishedCell]) -> Conclusion:
    """The verdicts per target and intermediate task, and per class of languages where there are classes.

    Args:
        cells: Cells with and without intermediate tasks, each with several numbers of shots, 0 among them.

    Raises:
        StiltsError: Zero-shot cells, shots, draws or a baseline are missing.
    """
    targets, notes = gather(cells)
    said: dict[str, None] = {}
    curves = [curve for found in answered(targets.values(), lambda own: curves_of(own, said), notes) for curve in found]
    said = dict.fromkeys(notes) | said
    if not curves:
        raise StiltsError(" ".join(["study=few_shot: no cell has a score that means something.", *notes[:3]]))
    last = {
        (curve.name, mean): (curve, max(curve.changes), curve.changes[max(curve.changes)][mean])
        for curve in curves
        for mean in curve.target.means
        if mean != EVERY
    }
    holm = corrected({name: found.gain for name, (_, _, found) in last.items()})
    several = len({curve.encoder for curve in curves}) > 1
    synthetic = any(cell.result["synthetic"] for cell in cells)
    return Conclusion(
        question=QUESTION,
        verdicts=[
            decided(
                f"{_about(curve, several)}, {_class(mean)}",
                found.gain,
                holm.get(name),
                f"of change with {number(k)}",
                (LARGER, SMALLER, SAME),
                _advice(found.noise),
            )
            for (name, (curve, k, found)), (_, mean) in zip(last.items(), last, strict=True)
        ],
        tables=[_gains(curves, several), _noise(curves, several), _worth(curves, several)],
        confounds=[*confounds([(c.target, c.way, c.draws) for c in curves]), *said],
        rows=[row for curve in curves for row in _rows(curve)],
        synthetic=synthetic,
        draw=lambda: _draw(curves, synthetic),
    )


def _about(curve: Curve, several: bool) -> str:
    encoder = f"{curve.encoder}: " if several else ""
    way = "" if curve.way == "after" else f" ({curve.way})"
    return f"{encoder}{curve.task} > {curve.target.name}{way}"


def _class(mean: str) -> str:
    """The name of a mean: with shots no score is zero-shot."""
    return "all other languages" if mean == ZERO_SHOT else mean.removeprefix("mean, ")


def _advice(noise: Noise) -> str:
    if noise.seeds is None or noise.draws is None:
        return "one seed says nothing of the noise of seeds; give at least three"
    which = "draws" if noise.draws > noise.seeds else "seeds"
    return f"more {which} would show it sooner: one differs from another by {max(noise.draws, noise.seeds):.1f} points"


def _gains(curves: Sequence[Curve], several: bool) -> Table:
    lines = []
    for curve in curves:
        holm = corrected({k: by[ZERO_SHOT].gain for k, by in curve.changes.items()})
        for k, by in curve.gains.items():
            change = shown(curve.changes[k][ZERO_SHOT].gain) if k else ""
            p = probability(holm[k]) if k in holm else ""
            lines.append([_about(curve, several), str(k), shown(by[ZERO_SHOT].gain), change, p])
    caption = (
        "Gain over no intermediate task by the number of shots, and what it changes by from no shots; means over all "
        "languages but the source, in points with intervals of 95 %; p after Holm's correction over the numbers."
    )
    return Table(caption, ("task > target", "shots", "gain", "change", "p"), lines)


def _noise(curves: Sequence[Curve], several: bool) -> Table:
    lines = []
    for curve in curves:
        for k, by in curve.changes.items():
            noise = by[ZERO_SHOT].noise
            shares = ["" if value is None else f"{value:.2f}" for value in (noise.seeds, noise.draws, noise.rest)]
            lines.append([_about(curve, several), str(k), str(len(curve.draws[k])), *shares])
    caption = (
        "Noise of the change: how far one seed differs from another, one draw from another, and what is left, as "
        "standard deviations in points."
    )
    return Table(caption, ("task > target", "shots", "draws", "of seeds", "of draws", "rest"), lines)


def _worth(curves: Sequence[Curve], several: bool) -> Table:
    lines = [
        [_about(curve, several), _class(mean), _shots(curve.worth[mean], max(curve.draws))]
        for curve in curves
        for mean in curve.worth
    ]
    caption = (
        "How many shots intermediate training is worth: so many rows of each language, without it, come to the "
        "zero-shot score with it. Between numbers that were run it is interpolated along the logarithm. In brackets "
        "the interval of 95 %."
    )
    return Table(caption, ("task > target", "languages", "shots"), lines)


def _shots(worth: tuple[float | None, float, float | None], most: int) -> str:
    def said(value: float | None) -> str:
        return f"more than {most}" if value is None else f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"

    value, low, high = worth
    return f"{said(value)} [{said(low)}, {said(high)}]"


def _rows(curve: Curve) -> list[dict[str, Any]]:
    about = {"encoder": curve.encoder, "after": curve.task, "target": curve.target.name, "arm": curve.way}
    rows = []
    for contrast, by_k in (("gain", curve.gains), ("change", curve.changes)):
        for k, by in by_k.items():
            own = tidy({**about, "contrast": contrast, "shots": k}, {key: each.gain for key, each in by.items()})
            for row, each in zip(own, by.values(), strict=True):
                noise = {"sd_seeds": each.noise.seeds, "sd_draws": each.noise.draws, "sd_rest": each.noise.rest}
                rows.append({**row, **noise})
    seeds = rows[0]["seeds"]
    for mean, (value, low, high) in curve.worth.items():
        ends = {"language": mean, "value": value, "low": low, "high": high, "p": None, "seeds": seeds}
        rows.append({**about, "contrast": "worth", "shots": None, **ends, **dict.fromkeys(noise)})
    return rows


def _draw(curves: Sequence[Curve], synthetic: bool) -> Figure:
    from stilts_xtreme.report.studies.gain_picture import SHOTS, draw  # matplotlib takes half a second

    panels: dict[str, dict[str, Mapping[int, Gain]]] = {}
    several = len({curve.encoder for curve in curves}) > 1
    for curve in curves:
        name = _about(curve, several).replace(f" > {curve.target.name}", "")
        panels.setdefault(curve.target.name, {})[name] = {k: by[ZERO_SHOT].gain for k, by in curve.gains.items()}
    return draw(panels, SHOTS, synthetic)
