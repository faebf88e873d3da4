"""The catalogue against the known facts of the hub, Hydra, and what a key of rows depends on."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.facts import facts, needs_facts

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import DatasetSpec, DataSpec
from stilts_xtreme.data import catalogue
from stilts_xtreme.data.corpus import world_corpus, world_identity
from stilts_xtreme.data.sources import source_of
from stilts_xtreme.data.synthetic import World
from stilts_xtreme.tasks import row_format_of

NAMES = [
    "americas_nli",
    "anli",
    "belebele",
    "bucc2018",
    "ccg",
    "commonsense_qa",
    "copa",
    "cosmos_qa",
    "hellaswag",
    "lareqa",
    "lareqa_candidates",
    "masakhaner2",
    "mewsli_x",
    "mewsli_x_candidates",
    "mewsli_x_pairs",
    "mlqa",
    "mnli",
    "panx",
    "paws_x",
    "qqp",
    "race",
    "sib200",
    "siqa",
    "snli",
    "squad_sentences",
    "squad_v1",
    "squad_v2",
    "tatoeba",
    "tydiqa_goldp",
    "ud_tags",
    "udpos",
    "wikipedia_mlm",
    "xcopa",
    "xnli",
    "xquad",
]
PARTS = ("lareqa_candidates", "mewsli_x_candidates", "mewsli_x_pairs", "squad_sentences")
"""Parts of a data set, or one told in another way: the facts have them under its own name."""
BEYOND = ("americas_nli", "belebele", "masakhaner2", "race", "sib200")
"""Data sets of no benchmark of the facts."""
HUB = DataSpec("hub")
OWN = ("ccg", "ud_tags")  # read from the user's own files, which hold their labels too


def test_every_data_set_has_an_entry() -> None:
    assert catalogue.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_entry_is_consistent(name: str) -> None:
    spec = catalogue.load_spec(name)
    assert spec.name == name
    assert set(spec.splits) == {"train", "validation", "test"}
    assert any(spec.splits.values())
    assert set(spec.columns) <= set(row_format_of(spec.format).columns)
    assert len(set(spec.languages)) == len(spec.languages)
    assert all(isinstance(code, str) for code in [*spec.languages, *spec.codes, *spec.codes.values(), *spec.labels])
    assert set(spec.codes) | set(spec.sources) <= set(spec.languages)
    assert set(spec.label_values.values()) <= set(spec.labels)
    if spec.format in ("classification", "tagging", "choice") and name not in OWN:
        assert spec.labels
        assert set(spec.columns) & {"label", "tags"}
    for language in spec.languages:
        if spec.id:
            source = catalogue.layout.source(spec, language)
            assert "{" not in source.config
            assert re.fullmatch(r"[\w-]+/[\w.-]+", source.id or "")
    for split in spec.blind:
        with pytest.raises(StiltsError, match="blind, never scored"):
            source_of(spec, HUB).rows(split, spec.languages[0])


@pytest.mark.parametrize("name", NAMES)
def test_entry_composes_under_its_own_package(name: str) -> None:
    text = (catalogue.CONF / "dataset" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith(f"# @package dataset.{name}\n")
    with initialize_config_dir(str(catalogue.CONF), version_base=None):
        other = "qqp" if name != "qqp" else "snli"
        cfg = compose(None, overrides=[f"+dataset=[{name},{other}]"])
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert set(plain["dataset"]) == {name, other}
    assert catalogue.spec_from_mapping(plain["dataset"][name]) == catalogue.load_spec(name)


def _raw_counts(fact: dict, language: str) -> dict | None:
    """Raw split -> rows as the facts have them, for one language; None where they say nothing."""
    splits = fact.get("splits", {})
    if language in splits:
        return splits[language] if isinstance(splits[language], dict) else None
    for general in ("<each language>", "<each config>"):
        if general in splits:
            return splits[general]
    if isinstance(splits.get("test"), dict):
        return {"test": splits["test"][language]}
    return splits


@needs_facts
def test_facts_and_catalogue_list_the_same_data_sets() -> None:
    assert sorted([*facts(), *PARTS, *BEYOND, "ud_tags"]) == NAMES  # the last is this project's own substitute


@needs_facts
def test_parts_agree_with_the_facts() -> None:
    fact = facts()
    pool, entities, pairs, squad = (catalogue.load_spec(name) for name in PARTS)
    assert {code: counts["test"] for code, counts in pool.counts.items()} == fact["lareqa"]["candidates"]
    assert list(pool.languages) == fact["lareqa"]["languages"]
    own = fact["mewsli_x"]
    assert entities.counts["test"] == own["splits"]["candidate_entities"]["test"]
    assert tuple(pairs.counts.values()) == tuple(own["splits"]["wikipedia_pairs"].values())
    assert {entities.config, pairs.config} <= set(own["config"])
    one = catalogue.load_spec("squad_v1")
    assert (squad.id, squad.config, squad.splits, squad.counts) == (one.id, one.config, one.splits, one.counts)


@needs_facts
@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*PARTS, *BEYOND, "ud_tags")])
def test_entry_agrees_with_the_facts(name: str) -> None:
    spec, fact = catalogue.load_spec(name), facts()[name]
    if name == "udpos":  # the catalogue reads the 33 languages from the alternative
        udpos = fact["alternatives"][0]
        assert (spec.id, spec.config) == (udpos["id"], "udpos.{code}")
        assert {**spec.codes} == udpos["name_map"]
        assert set(spec.sources) == set(fact["languages"]) - set(udpos["name_map"])
        assert {s["id"] for s in spec.sources.values()} == {fact["id"]}
        assert all(s["config"] == language for language, s in spec.sources.items())
        assert {k: v for k, v in spec.counts.items() if k in udpos["splits"]} == udpos["splits"]
        assert {k: v["test"] for k, v in spec.counts.items() if k not in udpos["splits"]} == fact["ud27_test_counts"]
        assert list(spec.labels) == udpos["labels"] == fact["labels"]
        assert list(spec.languages) == fact["languages"]
        return
    on_hub = fact["id"] if fact["id"] and " " not in fact["id"] else None
    assert spec.id == on_hub
    assert spec.revision == fact.get("revision")
    if name not in ("ccg", "wikipedia_mlm"):
        assert list(spec.languages) == fact["languages"]
        values = [spec.label_values.get(str(raw), str(raw)) for raw in fact["labels"]]
        assert values == list(spec.labels)
    if on_hub and isinstance(fact["config"], list):
        assert {catalogue.layout.source(spec, language).config for language in spec.languages} <= set(fact["config"])
    elif on_hub and name not in ("panx", "tatoeba", "wikipedia_mlm"):
        assert catalogue.layout.source(spec, spec.languages[0]).config == fact["config"]
    if name == "tatoeba":
        assert {**spec.codes} == fact["iso_map"]
    if name == "tydiqa_goldp":
        assert {v: k for k, v in spec.codes.items()} == fact["id_prefix_to_iso"]
        assert {k: [v["train"], v["test"]] for k, v in spec.counts.items()} == fact["splits_by_language"]
        return
    if name == "mewsli_x":
        assert {k: v["test"] for k, v in spec.counts.items()} == fact["mentions_test"]
        assert {k: v["validation"] for k, v in spec.counts.items()} == fact["mentions_dev"]
        return
    if name in ("ccg", "bucc2018", "lareqa"):
        return
    for language in spec.languages:
        raw_counts = _raw_counts(fact, language)
        for split in ("train", "validation", "test"):
            raw = [catalogue.layout.sliced(r) for r in catalogue.layout.raw_splits(spec, split)]
            if name == "wikipedia_mlm" and language != "en":
                continue
            expected = sum(min(raw_counts[r], limit or raw_counts[r]) for r, limit in raw) if raw else None
            declared = catalogue.declared_count(spec, split, language)
            assert declared == expected, (language, split)


@needs_facts
def test_raw_columns_are_columns_of_the_facts() -> None:
    for name, fact in facts().items():
        spec = catalogue.load_spec(name)
        if name in ("ccg", "mewsli_x", "lareqa"):
            continue
        there = set(fact["features"])
        wanted = {part.strip().split(".")[0] for value in spec.columns.values() for part in value.split(",")}
        assert wanted <= there, name


def test_test_splits_of_the_benchmark_are_never_dev_splits() -> None:
    for name in NAMES:
        spec = catalogue.load_spec(name)
        raw = {split: catalogue.layout.raw_splits(spec, split) for split in ("train", "validation", "test")}
        assert not set(raw["test"]) & set(raw["validation"] + raw["train"]), name
    assert catalogue.load_spec("tydiqa_goldp").dev == {"split": "train", "fraction": 0.1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colums": {}}, "colums.*did you mean 'columns'"),
        ({"format": "qaa"}, "format=qaa is not known"),
        ({"format": None}, "lacks the field 'format'"),
        ({"reader": "copaa"}, "did you mean 'copa'"),
        ({"splits": {"dev": "dev"}}, "split of dataset.x=dev"),
        ({"blind": ["tests"]}, "did you mean 'test'"),
        ({"columns": {"texta": "a"}}, "did you mean 'text_a'"),
    ],
)
def test_mapping_is_refused_with_one_sentence(change: dict, sentence: str) -> None:
    good = {"name": "x", "format": "classification", "id": "o/x", "splits": {"train": "train"}}
    assert catalogue.spec_from_mapping(good).name == "x"
    with pytest.raises(StiltsError, match=sentence):
        catalogue.spec_from_mapping({**good, **change})


def test_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(StiltsError, match="did you mean 'xnli'"):
        catalogue.load_spec("xnly")


def test_languages_follow_the_counts() -> None:
    udpos = catalogue.load_spec("udpos")
    assert {"th", "tl", "yo", "lt"} & set(source_of(udpos, HUB).languages("train")) == set()
    assert "kk" in source_of(udpos, HUB).languages("train")
    assert "kk" not in source_of(udpos, HUB).languages("validation")
    assert len(source_of(udpos, HUB).languages("test")) == 38
    assert source_of(catalogue.load_spec("xcopa"), HUB).languages("train") == ()
    assert "en" in source_of(catalogue.load_spec("tydiqa_goldp"), HUB).languages("validation")
    assert len(source_of(catalogue.load_spec("xnli"), HUB).languages("train")) == 15
    assert source_of(catalogue.load_spec("xnli"), HUB).source_language == "en"
    assert source_of(catalogue.load_spec("xnli"), DataSpec("synthetic")).source_language == "qaa"


def test_expected_rows_are_the_declared_ones() -> None:
    def expected(name: str, split: str, language: str) -> int | None:
        return source_of(catalogue.load_spec(name), HUB).count(split, language)

    assert expected("anli", "train", "en") == 162865
    assert expected("wikipedia_mlm", "train", "en") == 19600
    assert expected("wikipedia_mlm", "validation", "en") == 400
    assert expected("tydiqa_goldp", "train", "en") + expected("tydiqa_goldp", "validation", "en") == 3696
    assert expected("xcopa", "train", "et") is None


@pytest.fixture
def toy(tmp_path: Path) -> tuple[DatasetSpec, Path]:
    spec = DatasetSpec("toy", "retrieval", id="o/toy", config="{lang}-eng", splits={"test": "test"},
                       columns={"text_a": "a", "text_b": "b"}, languages=("de", "fr"), reader="tatoeba")  # fmt: skip
    folder = tmp_path / "root" / "o" / "toy"
    (folder / "test").mkdir(parents=True)
    configs = []
    for language in spec.languages:
        name = f"test/{language}-eng.jsonl.gz"
        with gzip.open(folder / name, "wt", encoding="utf-8") as file:
            file.write(json.dumps({"a": f" {language}\n", "b": "x "}) + "\n")
        configs.append({"config_name": f"{language}-eng", "data_files": [{"split": "test", "path": name}]})
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': configs})}---\n")
    return spec, tmp_path / "root"


def test_identity_follows_the_content_and_not_the_path(toy: tuple[DatasetSpec, Path], tmp_path: Path) -> None:
    spec, root = toy
    data = DataSpec("hub", root=str(root))
    first = source_of(spec, data).identity("test", ["de", "fr"])
    assert str(root) not in json.dumps(first)
    assert str(tmp_path) not in json.dumps(first)
    moved = tmp_path / "elsewhere"
    shutil.copytree(root, moved)
    assert source_of(spec, DataSpec("hub", root=str(moved))).identity("test", ["de", "fr"]) == first
    with gzip.open(root / "o" / "toy" / "test" / "fr-eng.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"a": "changed", "b": "x"}) + "\n")
    changed = source_of(spec, data).identity("test", ["de", "fr"])
    assert changed != first
    assert changed["rows"]["de"] == first["rows"]["de"]
    assert source_of(spec, data).identity("test", ["de"]) == source_of(spec, DataSpec("hub", root=str(moved))).identity(
        "test", ["de"]
    )


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("b", "a")},
        {"label_values": {"0": "a"}},
        {"columns": {"text_a": "b", "text_b": "a"}},
        {"reader": "columns"},
        {"dev": {"split": "test", "fraction": 0.5}},
        {"revision": "abc"},
        {"config": "x.{lang}"},
        {"sources": {"de": {"id": "p/q", "config": "de"}}},
        {"splits": {"test": "test[:5]"}},
    ],
)
def test_identity_follows_the_meaning(change: dict) -> None:
    spec = DatasetSpec("toy", "retrieval", id="o/toy", config="{lang}", splits={"test": "test"}, labels=("a", "b"),
                       columns={"text_a": "a", "text_b": "b"}, languages=("de", "fr"), reader="tatoeba")  # fmt: skip
    first = source_of(spec, HUB).identity("test", ["de"])
    assert json.loads(json.dumps(first)) == first
    assert source_of(dataclasses.replace(spec, **change), HUB).identity("test", ["de"]) != first
    assert source_of(dataclasses.replace(spec, notes="x"), HUB).identity("test", ["de"]) == first
    assert source_of(spec, DataSpec("hub", bad_rows="refuse")).identity("test", ["de"]) != first
    assert source_of(spec, HUB).identity("test", ["de", "fr"]) != first


def test_corpus_holds_each_text_once(toy: tuple[DatasetSpec, Path]) -> None:
    spec, root = toy
    assert source_of(spec, DataSpec("hub", root=str(root))).corpus() == {"de": ["de", "x"], "fr": ["fr", "x"]}


def test_synthetic_world_is_dispatched_to() -> None:
    pytest.importorskip("stilts_xtreme.data.synthetic")
    data = DataSpec("synthetic", world={"languages": 3})
    spec = catalogue.load_spec("xnli")
    langs = source_of(spec, data).languages("test")
    assert langs
    assert "qaa" in langs
    assert len(langs) <= 3
    columns, report = source_of(spec, data).rows("test", "qaa")
    assert set(columns) == set(row_format_of("classification").columns)
    assert report.n_read == source_of(spec, data).count("test", "qaa")
    assert set(columns["label"]) <= set(range(len(source_of(spec, data).labels())))
    first = source_of(spec, data).identity("test", langs)
    other = source_of(spec, DataSpec("synthetic", world={"languages": 3, "seed": 1})).identity("test", langs)
    assert json.loads(json.dumps(first)) == first
    assert other != first
    assert set(source_of(spec, data).corpus()) == set(langs)


SIZES = ("train", "validation", "test", "sentences", "mixed", "candidates")
BASE = {"seed": 0, "languages": 3, **dict(zip(SIZES, (30, 31, 32, 300, 10, 0), strict=True))}
OTHER = {"seed": 1, "languages": 4, **dict(zip(SIZES, (33, 34, 35, 400, 20, 9), strict=True))}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_synthetic_rows_depend_on_seed_and_size_of_their_split_alone(split: str) -> None:
    assert set(BASE) == set(OTHER) == {field.name for field in dataclasses.fields(World)}
    spec = catalogue.load_spec("xnli")

    def known(world: dict[str, int]) -> tuple[dict, dict]:
        data = DataSpec("synthetic", world=world)
        return source_of(spec, data).identity(split, ["qaa"]), source_of(spec, data).rows(split, "qaa")[0]

    first, rows = known(BASE)
    for option, value in OTHER.items():
        changed, there = known({**BASE, option: value})
        decides = option in ("seed", split)
        assert (changed != first, there != rows) == (decides, decides), option


def test_synthetic_text_depends_on_no_rows() -> None:
    first, text = (of(DataSpec("synthetic", world=BASE)) for of in (world_identity, world_corpus))
    for option, value in OTHER.items():
        data = DataSpec("synthetic", world={**BASE, option: value})
        decides = option in ("seed", "languages", "sentences", "mixed")
        assert (world_identity(data) != first, world_corpus(data) != text) == (decides, decides), option
