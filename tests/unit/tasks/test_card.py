"""Model cards: metadata that the hub's own client reads, and nothing that is not known or not so."""

from __future__ import annotations

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import Recipe
from stilts_xtreme.data.catalogue import load_spec
from stilts_xtreme.tasks import formats
from stilts_xtreme.tasks.card import About, Learnt, as_cell, card, languages_of, result

RECIPE = Recipe(1e-5, 2, 32, 256)
LINEAGE = [
    {"what": "pretrained: some/encoder", "synthetic": False},
    {"what": "trained on qqp (seed 3, recipe mine)", "synthetic": False},
]
XNLI = load_spec("xnli")


def about(*specs: DatasetSpec, dev: float | None = 81.25, **more: object) -> About:
    heads = {"task": Learnt("accuracy", specs or (XNLI,), RECIPE, 1200, dev)}
    values = {"languages": ("en",), "base": "some/encoder", "licence": "mit", "seed": 3, "command": "python -m x"}
    return About(**{**values, "heads": heads, **more})


def made(
    story: About, name: str = "task", labels: tuple[str, ...] = ("no", "yes"), synthetic: bool = False
) -> ModelCard:
    lineage = [{**step, "synthetic": synthetic} for step in LINEAGE]
    return ModelCard(card(name, "classification", labels, "xlm-roberta", lineage, story, 256, False))


def test_the_metadata_is_what_the_hub_reads() -> None:
    found = made(about(load_spec("anli"), load_spec("snli")))
    data = found.data
    assert (data.license, data.language, data.base_model) == ("mit", ["en"], "some/encoder")
    assert (data.library_name, data.pipeline_tag) == ("transformers", "text-classification")
    assert data.datasets == ["facebook/anli", "stanfordnlp/snli"]
    assert data.metrics == ["accuracy"]
    (score,) = data.eval_results
    assert (score.metric_value, score.dataset_split, score.dataset_type) == (81.25, "validation", "facebook/anli")
    index = eval_results_to_model_index("task", data.eval_results)
    assert model_index_to_eval_results(index) == ("task", data.eval_results)
    text = found.text
    for words in ("qqp (seed 3, recipe mine)", "1,200 rows", "Seed 3", "learning_rate", "python -m x", "cc-by-nc-4.0"):
        assert words in text
    assert "## Licence" in text
    assert "## What it is for" in text


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    own = DatasetSpec(name="mine", format="classification", files={"train": "/home/me/rows.csv"})
    found = made(about(own, dev=None, base=None, licence="unknown", languages=()))
    assert found.data.license == "unknown"
    assert "| mine | own files | unknown |" in found.text
    assert "there were no dev rows" in found.text
    assert not any(found.data.get(name) for name in ("base_model", "datasets", "language", "model-index"))
    assert "/home/me" not in str(found)


def test_a_score_on_generated_rows_is_not_one_on_the_data_set() -> None:
    found = made(about(), synthetic=True)
    assert XNLI.id not in str(found)
    assert found.data.eval_results[0].dataset_name == "xnli, synthetic"
    assert "synthetic" in found.data.tags
    assert "of no use on real text" in found.text


def test_a_score_on_own_rows_is_not_one_on_the_data_set() -> None:
    own = DatasetSpec(name="xnli", format="classification", id="facebook/xnli", files={"test": "x.csv"})
    assert result("classification", own, "accuracy", 50.0, "test").dataset_type == "xnli"
    assert result("classification", XNLI, "accuracy", 50.0, "test", "de").dataset_config == "de"


def test_only_codes_that_the_hub_takes() -> None:
    assert languages_of(["en", "zh-Hant", "sw", "qaa", "qab", "xx", "tok", "en_GB", "EN", "ilo"]) == [
        *("en", "zh", "sw", "tok", "ilo")
    ]


@pytest.mark.parametrize("name", ["yes", "a: b", "- x", "'", "<b>|", "näme", "2024", "#"])
def test_names_are_data(name: str) -> None:
    story = about()
    found = made(About(**{**vars(story), "heads": {name: story.heads["task"]}}), name, (name, "[x](y)", "a|b"))
    assert found.data.model_name == name
    assert "[x](y)" not in found.text
    assert "|b" not in found.text.replace("\\|b", "")


def test_a_cell_of_a_table_is_one() -> None:
    assert as_cell("a|b\n<c>") == "a\\|b \\<c\\>"


def test_a_card_is_the_same_again_for_every_format() -> None:
    for name, format in formats().items():
        story = about()
        texts = {card("task", name, (), "bert", LINEAGE, story, 8, False) for _ in range(2)}
        assert len(texts) == 1
        assert ModelCard(texts.pop()).data.pipeline_tag == format.hub_tag
