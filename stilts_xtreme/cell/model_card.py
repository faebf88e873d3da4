"""The card of a cell's trained model with the scores of the cell: what to publish the weights with.

A training does not know the scores on test rows, and may be shared by many cells. So its own card has the dev score
only, and each cell has a copy of it with its own scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stilts_xtreme.core.specs import Cell
from stilts_xtreme.core.stage import Evaluation, Trained

if TYPE_CHECKING:
    from stilts_xtreme.cell.plan import CellPlan
    from stilts_xtreme.cell.store import Store


def card_of(cell: Cell, planned: CellPlan, store: Store, result: Mapping[str, Any]) -> str | None:
    """The text of the card; None where the cell has no trained model, or one without a card.

    Args:
        cell: The cell.
        planned: Its stages, all finished.
        store: Where they are.
        result: What ``result.json`` holds.
    """
    final, target = planned.final, cell.target
    if target is None or not isinstance(final, Evaluation) or not isinstance(final.parent, Trained):
        return None
    # each language was answered by a model of its own, which is not kept; or the model did not read the language
    if final.shots is not None or final.test.translations:
        return None
    models = store.path(final.parent.key) / "models"
    name = target.train[-1].name if target.train else sorted(models.iterdir())[0].name
    place = models / name / "README.md"
    if not place.is_file():
        return None
    from huggingface_hub import ModelCard, ModelCardData

    from stilts_xtreme.tasks.card import as_cell
    from stilts_xtreme.tasks.card import result as entry

    card = ModelCard(place.read_text(encoding="utf-8"))
    data = card.data
    assert isinstance(data, ModelCardData)
    lines = []
    found = list(data.eval_results or [])
    for line in result["comparison"]:
        language, value = line["language"], line["value"]
        found.append(entry(target.head, target.test, line["metric"], value, "test", language, cell.synthetic))
        lines.append(f"| {as_cell(language)} | {line['n']} | {line['metric']} | {value:.2f} |")
    data.eval_results = found
    data.model_name = data.get("model_name") or name
    heading = f"## Scores on the test rows of {as_cell(target.name)}"
    table = "\n".join(["| language | rows | metric | score |", "|---|---|---|---|", *lines])
    told = "**One of its trainings ended without having learnt: do not use it.**\n\n" if result["collapsed"] else ""
    source = as_cell(result["source_language"])
    zero = f"It was trained for the task in {source}; in the other languages it had no training rows."
    zero = zero if target.train else "It was not trained for this task."
    return f"{str(card).rstrip()}\n\n{heading}\n\n{told}{zero}\n\n{table}\n"
