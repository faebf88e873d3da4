"""A multilingual encoder beside a monolingual one, in each language in which both were tested."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.report.results import FinishedCell
from stilts_xtreme.report.statistics.gains import Gain
from stilts_xtreme.report.studies.compared import Arm, TargetArms, gather

WITHIN, ZERO_SHOT, TRANSLATE_TEST = "trained in the language", "zero-shot", "translate-test"


@dataclass(frozen=True)
class Own:
    """An arm, with what it was pretrained for and trained in.

    Attributes:
        arm: The arm.
        only: The one language of a monolingual encoder; None for a multilingual one.
        source: The language of its training rows.
        translations: What the translations into that language are called which it read in the place of the test rows;
            None where it read the test rows.
        by_items: As in :class:`TargetArms`.
        tokens: Language -> what the tokenizer makes of the test rows; empty on synthetic rows.
    """

    arm: Arm
    only: str | None
    source: str
    translations: str | None
    by_items: bool
    tokens: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Pair:
    """The two encoders in one language of one target.

    Attributes:
        target: The target.
        language: The language.
        how: :data:`WITHIN` or :data:`ZERO_SHOT`: how the multilingual one was trained. :data:`TRANSLATE_TEST` with the
            name of the translations: both were trained in another language, the multilingual one read the test rows,
            and the monolingual one translations of them.
        multi: The multilingual encoder.
        mono: The monolingual one.
        gain: The score of the first less that of the second.
    """

    target: str
    language: str
    how: str
    multi: Own
    mono: Own
    gain: Gain

    @property
    def about(self) -> str:
        """What it is about, in words."""
        names = f"{self.multi.arm.encoder} against {self.mono.arm.encoder}"
        before = "" if self.multi.arm.before == "none" else f" after {self.multi.arm.before}"
        return f"{self.target}{before}, {self.language}, {self.how}: {names}"


def only_language(cell: FinishedCell) -> str | None:
    """The language of a monolingual encoder, by the cell's ``model.languages``; None where it has several."""
    if cell.folder is None or not (cell.folder / "config.json").is_file():
        return None
    languages = (read_json(cell.folder / "config.json").get("model") or {}).get("languages")
    return str(languages[0]) if isinstance(languages, list) and len(languages) == 1 else None


def pool(cells: Sequence[FinishedCell]) -> tuple[list[Own], list[str]]:
    """The arms of all cells, and sentences on what is left out.

    Cells of one encoder that were trained in different languages, or that read different translations, are arms of
    their own.
    """
    groups: dict[tuple[str | None, str, str | None], list[FinishedCell]] = {}
    for cell in cells:
        if cell.result["target"]:
            place = only_language(cell), str(cell.result.get("source_language")), cell.result.get("translate_test")
            # the translations are said by the group: what came before the target is called alike in all groups
            groups.setdefault(place, []).append(replace(cell, result={**cell.result, "translate_test": None}))
    found, notes = [], []
    for (only, source, translations), members in groups.items():
        tokens = {(str(cell.result["model"]), str(cell.result["target"])): _tokens(cell) for cell in members}
        targets, said = gather(members)
        notes += said
        for target in targets.values():
            for arm in target.arms.values():
                found.append(
                    Own(
                        arm,
                        only,
                        source,
                        translations,
                        target.by_items,
                        tokens.get((str(arm.first["model"]), str(arm.first["target"])), {}),
                    )
                )
    return found, notes


def _tokens(cell: FinishedCell) -> dict[str, dict[str, str]]:
    path = cell.folder / "tokens.csv" if cell.folder is not None else None
    if path is None or not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as lines:
        return {line["language"]: dict(line) for line in csv.DictReader(lines)}


def _by_language(arms: Sequence[Own]) -> dict[tuple[tuple[str, str], str], list[Own]]:
    """(Target and intermediate tasks, language) -> the arms that were tested in it."""
    found: dict[tuple[tuple[str, str], str], list[Own]] = {}
    for own in arms:
        for language in next(iter(own.arm.seeds.values())):
            found.setdefault(((str(own.arm.first["target"]), own.arm.before), language), []).append(own)
    return found


def pairs(arms: Sequence[Own], notes: list[str]) -> list[Pair]:
    """All pairs of a multilingual and a monolingual encoder, after the same intermediate tasks.

    Args:
        arms: Of both.
        notes: Gets a sentence for what cannot be compared.
    """
    return [pair for (_, language), own in _by_language(arms).items() for pair in _pairs(language, own, notes)]


def _pairs(language: str, own: Sequence[Own], notes: list[str]) -> list[Pair]:
    monos = [one for one in own if one.only == language == one.source and one.translations is None]
    readers = [one for one in own if one.only == one.source != language and one.translations is not None]
    multis = [one for one in own if one.only is None and one.translations is None]
    both_in_one = [(multi, mono) for multi, mono in itertools.product(multis, readers) if multi.source == mono.source]
    for one in own:
        if one.only is None and one.translations is not None:
            notes.append(
                f"{one.arm.encoder} with translated test rows ({one.translations}) is not compared, because it is no "
                "monolingual encoder."
            )
    found = []
    for multi, mono in (*itertools.product(multis, monos), *both_in_one):
        target = str(multi.arm.first["target"])
        if multi.by_items != mono.by_items:
            notes.append(f"{target}, {language}: only one of two encoders has its answers, so they are not compared.")
            continue
        before, both = multi.arm.before, {"multi": multi.arm, "mono": mono.arm}
        sides = {(name, before): _within(arm, name, language) for name, arm in both.items()}
        arms = TargetArms(target, sides, False, multi.by_items, {})
        weights = {("multi", before): 1.0, ("mono", before): -1.0}
        gain = arms.contrasts({"gain": weights})["gain"][language]
        how = WITHIN if multi.source == language else ZERO_SHOT
        how = how if mono.translations is None else f"{TRANSLATE_TEST} ({mono.translations})"
        found.append(Pair(target, language, how, multi, mono, gain))
    return found


def _within(arm: Arm, name: str, language: str) -> Arm:
    """An arm in one language alone."""
    return replace(arm, encoder=name, seeds={seed: {language: by[language]} for seed, by in arm.seeds.items()})
