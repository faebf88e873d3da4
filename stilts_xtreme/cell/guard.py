"""What an encoder would get wrong on the rows of a cell, said before anything is trained."""

from __future__ import annotations

from collections.abc import Collection

from stilts_xtreme.cell.plan import CellPlan
from stilts_xtreme.cell.store import Store
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.stage import Evaluation, Pretraining
from stilts_xtreme.core.terminal import say
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.data.translated_tests import unchecked

HOPELESS = 0.9
"""From this share of rows on, a format that needs the places of sub-tokens cannot work."""


def look(planned: CellPlan, store: Store, missing: Collection[str]) -> None:
    """Reads the first test rows of each language with the encoder's tokenizer, and says what is worth a word.

    Nothing is looked at where no training is to be made, on synthetic rows, and for an encoder that is pretrained here.

    Args:
        planned: The plan of a cell.
        store: Its store.
        missing: Keys of the stages that are to be made.

    Raises:
        StiltsError: The encoder has no usable tokenizer, or nothing sensible can come of it: it knows nearly no
            sub-token in any language, or answers would be cut out of the text at wrong places.
    """
    cell, final = planned.cell, planned.final
    todo = [stage for stage in planned.stages() if stage.kind == "train" and stage.key in missing]
    if not isinstance(final, Evaluation) or cell.synthetic or not todo or isinstance(final.chain()[0], Pretraining):
        return
    from stilts_xtreme.models.reading import GLANCE
    from stilts_xtreme.models.tokenizer import UNKNOWN, load_tokenizer
    from stilts_xtreme.training.parents import pretrained_source
    from stilts_xtreme.training.remarks import readings, remarks

    target = final.target
    source, tests = pretrained_source(final, store.open), source_of(target.test, cell.data)
    rows = {language: unchecked(final.test, language) for language in final.languages}
    found = readings(target, load_tokenizer(source), rows, GLANCE)
    seen = [reading for reading in found.values() if reading.rows]
    known = tests.source_language in found or not target.train
    if seen and known and min(reading.unknown for reading in seen) >= UNKNOWN:
        raise StiltsError(
            f"The tokenizer of the encoder {source.place} does not read {target.name} in any language: at least "
            f"{100 * min(reading.unknown for reading in seen):.0f} % of the sub-tokens in the first rows are unknown "
            "to it; put the tokenizer that belongs to the encoder beside it."
        )
    if seen and target.head == "qa" and min(reading.offsets for reading in seen) >= HOPELESS:
        raise StiltsError(
            f"The tokenizer of the encoder {source.place} does not say where in the text its sub-tokens are, so no "
            f"answer of {target.name} can be cut out of it; take an encoder whose tokenizer gives offsets."
        )
    options = cell.options.get("tagging") or {}
    tagged = target.head == "tagging" and options.get("first_token") == "any"
    lines = remarks(target, found, cell.model.languages, tagged)
    if lines:
        say(f"What {cell.model.label} makes of {target.name}:")
        for line in lines:
            say(f"  {line}")
