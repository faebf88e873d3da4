"""Masked language modelling beside intermediate tasks: its text, its steps, its head, what a resumed run repeats."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file
from support.cells import TINY, cell_of
from support.encoders import TEXTS, bare_encoder, checkpoint, unigram
from support.siege import die_in_step, siege, trained
from transformers import AutoModel, AutoModelForMaskedLM, pipeline

from stilts_xtreme.cell.plan import plan
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.mixing import Mlm
from stilts_xtreme.core.schema import DataSpec
from stilts_xtreme.data import synthetic, unlabelled
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.report.labels import row_name
from stilts_xtreme.tasks.checkpoint import ENCODER_SHARD
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.module import Step
from stilts_xtreme.tasks.options import HeadOptions
from stilts_xtreme.training.mlm import draw

SYNTHETIC = DataSpec("synthetic", world={"languages": 9, "sentences": 300})
MIXED = ("+intermediate=mnli", "baseline=false", "mlm.weight=0.5", "mlm.batch_size=4")


# --- text -------------------------------------------------------------------------------------------------------------


def test_the_worlds_text_in_the_languages_that_have_some() -> None:
    found = unlabelled.texts(Mlm(1.0, max_texts=20), SYNTHETIC)
    codes = [code for code in synthetic.LANGUAGES[:9] if synthetic.SHARES[code]]
    assert list(found) == codes
    assert "qah" not in found
    assert all(1 <= len(texts) <= 20 for texts in found.values())
    world = synthetic.World(languages=9, sentences=300)
    assert set(found["qab"]) <= {line.strip() for text in synthetic.corpus(world, "qab") for line in text.splitlines()}
    with pytest.raises(StiltsError, match=r"mlm.languages=qah is not known.*qab"):
        unlabelled.languages(Mlm(1.0, languages=("qab", "qah")), SYNTHETIC)


def test_a_folder_of_text(tmp_path: Path) -> None:
    (tmp_path / "th").mkdir()
    (tmp_path / "th/b.txt").write_text("ประเทศไทย\n\n  \nน้ำ\n", "utf-8")
    (tmp_path / "th/a.txt").write_text("\ufeffหนึ่ง\n", "utf-8")
    (tmp_path / "de.txt").write_text("\n".join(f"Satz {n} 😀" for n in range(10)), "utf-8")
    mlm, data = Mlm(1.0, source=str(tmp_path), max_texts=5), DataSpec("hub")
    found = unlabelled.texts(mlm, data)
    assert found == {"de": [f"Satz {n} 😀" for n in (0, 2, 4, 6, 8)], "th": ["หนึ่ง", "ประเทศไทย", "น้ำ"]}
    before = unlabelled.mixed(mlm, data).identity()
    assert str(tmp_path) not in json.dumps(before)
    (tmp_path / "de.txt").write_bytes(b"gut\nschl\xe4cht\n")
    assert unlabelled.mixed(mlm, data).identity() != before
    with pytest.raises(StiltsError, match=r"de.txt line 2: not UTF-8"):
        unlabelled.texts(mlm, data)
    (tmp_path / "de.txt").write_text(" \n\n")
    with pytest.raises(StiltsError, match=r"de.txt is empty"):
        unlabelled.texts(mlm, data)
    with pytest.raises(StiltsError, match=r"mlm.languages=fr is not known.*de, th"):
        unlabelled.texts(Mlm(1.0, source=str(tmp_path), languages=("fr",)), data)
    with pytest.raises(StiltsError, match=r"has no text.*bring <language>.txt"):
        unlabelled.texts(Mlm(1.0, source=str(tmp_path / "nowhere")), data)


def test_articles_of_wikipedia_are_paragraphs(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = DataSpec("hub", str(tmp_path))
    with pytest.raises(StiltsError, match=r"bring wikimedia/wikipedia/20231101.\{lang\}"):
        unlabelled.languages(Mlm(1.0), data)
    folder = tmp_path / "wikimedia/wikipedia/20231101.sw"
    folder.mkdir(parents=True)
    articles = [f"Kichwa {n}\n\nMstari wa {n}.\nMwisho" for n in range(200)]
    pq.write_table(pa.table({"text": articles}), folder / "train-00000-of-00001.parquet")
    assert unlabelled.languages(Mlm(1.0), data) == ("sw",)
    found = unlabelled.texts(Mlm(1.0), data)["sw"]
    assert 500 < len(found) <= 600  # a share of the articles is kept as dev rows
    assert {line.partition(" ")[0] for line in found} == {"Kichwa", "Mstari", "Mwisho"}
    assert "wikimedia" not in json.dumps(unlabelled.mixed(Mlm(1.0), data).identity()), "by digest"


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("mlm.weight=-1", "mlm.weight=-1 is refused"),
        ("mlm.weight=much", "mlm.weight=much is refused"),
        ("mlm.mask_probability=1", "must be below 1"),
        ("mlm.languages=[]", "name at least one language"),
        ("mlm.batch_size=0.5", "mlm.batch_size=0.5 is refused"),
        ("mlm.wieght=1", r"did you mean 'mlm.weight'"),
        ("mlm.source=wikipedia_mlm", "mlm.source=wikipedia_mlm is not known.*FOLDER"),
    ],
)
def test_refusals(option: str, text: str) -> None:
    with pytest.raises(StiltsError, match=text):
        plan(cell_of("+intermediate=mnli", "mlm.weight=1", f"++{option}" if "wieght" in option else option))


# --- which texts ------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(1, 300), st.sampled_from([0, 0.3, 1]))
def test_languages_have_their_share(sizes: list[int], wanted: int, exponent: float) -> None:
    texts = {f"l{n}": [f"{n}-{i}" for i in range(size)] for n, size in enumerate(sizes)}
    found = draw(texts, wanted, exponent, 3)
    total = min(wanted, sum(sizes))
    assert sum(map(len, found.values())) == total
    power = np.array(sizes, float) ** exponent
    for n, (language, share) in enumerate(zip(found, total * power / power.sum(), strict=True)):
        assert abs(len(found[language]) - share) < 1 + 1e-9
        counts = [found[language].count(text) for text in texts[language]]
        assert max(counts) - min(counts) <= 1, "no text again before every other one has come"
        assert n or language == "l0"
    assert draw(texts, wanted, exponent, 3) == found


# --- the head ---------------------------------------------------------------------------------------------------------


def test_the_pretrained_head_goes_on(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", "xlm-roberta")
    whole = AutoModelForMaskedLM.from_pretrained(folder).eval()
    source = Source(str(folder))
    encoder = load(source).eval()
    tokenizer = unigram()
    module = MLMModule(encoder, tokenizer, HeadOptions(), 0.15, source).eval()
    assert module.head is not None
    matrix_out = module.head.model.get_output_embeddings().weight
    assert matrix_out is encoder.base.get_input_embeddings().weight, "tied to the encoder that is trained"
    batch = module.features({"text": TEXTS[:3]}, tokenizer).take(np.array([1]))
    with torch.no_grad():
        ours = module.head(encoder(batch)[None]).logits[0]
        theirs = whole(batch.ids[None]).logits[0]
    torch.testing.assert_close(ours, theirs)
    bare = checkpoint(tmp_path / "bare", "xlm-roberta", kind=AutoModel)
    with pytest.raises(StiltsError, match="no masked-language-model head"):
        MLMModule(load(Source(str(bare))), tokenizer, HeadOptions(), 0.15, Source(str(bare)))


def test_masks_are_a_function_of_the_step() -> None:
    module = MLMModule(bare_encoder(vocab_size=len(unigram())), unigram(), HeadOptions(), 0.15)
    features = module.features({"text": TEXTS}, unigram())
    batch = Step("mlm", features, np.arange(4), 7).features.take(np.arange(4), "mlm")
    losses = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        losses.append(float(module.loss(batch).detach()))
    assert losses[0] == losses[1] != losses[2]


# --- trainings --------------------------------------------------------------------------------------------------------


def test_a_training_with_it(run_tiny: Callable[..., Any], tmp_path: Path) -> None:
    whole = ("recipe.intermediate.weight_decay=0", "recipe.intermediate.freeze=null")
    options = ("mlm.languages=[qab]", "mlm.max_length=32", *whole)
    result = run_tiny(*MIXED, *options, "recipe.intermediate.selection=best", "recipe.intermediate.eval_every=9")
    stage = run_tiny.output / "stages" / result["stages"][-1]["key"]
    info = json.loads((stage / "manifest.json").read_text())["info"]
    assert info["steps_of"] == {"mnli": 6, "mlm": 3}
    assert info["features"]["mlm"] == 12
    assert set(info["dev"]) == {"mnli"}
    assert info["selected"]["dev"] == info["dev"]["mnli"], "selected by the tasks alone"
    curve = [json.loads(line) for line in (stage / "curve.jsonl").read_text().splitlines()]
    assert all(f"loss_{point['task']}" in point for point in curve if "loss" in point)
    assert {point["task"] for point in curve if "loss" in point} == {"mnli", "mlm"}
    assert result["mlm"] == 0.5
    assert row_name(result) == "mnli + MLM x0.5"
    assert "+mlm-" in result["cell"]
    # the mask filler has the encoder of the task's model, and works
    with safe_open(stage / "models/mlm/model-00001-of-00002.safetensors", "pt") as file:
        shared = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    own = load_file(stage / "models/mnli/model-00001-of-00002.safetensors")
    assert all(torch.equal(own[name], shared[name]) for name in own)
    # the output matrix is the embedding: every row has moved, also those of tokens that no text has
    before = load_file(run_tiny.output / "stages" / result["stages"][0]["key"] / f"models/pretrained/{ENCODER_SHARD}")
    name = "roberta.embeddings.word_embeddings.weight"
    assert (before[name] != own[name]).any(dim=1).float().mean() > 0.99
    fill = pipeline("fill-mask", str(stage / "models/mlm"))
    assert len(fill(f"mo {fill.tokenizer.mask_token} mo", top_k=3)) == 3


def test_collapse_is_told_from_the_tasks_own_loss(run_tiny: Callable[..., Any]) -> None:
    options = ("recipe.intermediate.learning_rate=1e-12", "recipe.intermediate.dropout=0.0")
    for mixed in ((), ("mlm.weight=1", "mlm.batch_size=4")):
        result = run_tiny("+intermediate=mnli", *options, *mixed)
        assert result["collapsed"], mixed
    folders = [run_tiny.output / "stages" / result["stages"][at]["key"] / "models" for at in (0, -1)]
    heads = [load_file(next(folder.glob(f"{name}/*2-of*"))) for folder, name in zip(folders, ("*", "mlm"), strict=True)]
    assert "lm_head.dense.weight" in heads[0]
    for name, value in heads[0].items():  # at this rate nothing moves: the pretrained head went on
        torch.testing.assert_close(value, heads[1][name])
    result = run_tiny("+intermediate=[mnli,qqp]", "mlm.weight=0.5", "mlm.batch_size=4")
    assert result["stages"][-1]["info"]["steps_of"] == {"mnli": 6, "qqp": 6, "mlm": 6}


def test_killed_with_mlm(launch: Callable[..., Any], pretrained: Path, run_tiny: Callable[..., Any]) -> None:
    label = plan(cell_of(*TINY, *MIXED)).final.label
    assert label == "mnli+mlm"
    moments: list[tuple[Any, ...]] = [
        (die_in_step, label, 2, "Guard"),
        (die_in_step, label, 5, "Checkpoint"),
        (die_in_step, label, 9, "Guard"),
    ]
    siege(launch, pretrained, MIXED, moments)
    run_tiny(*MIXED)
    expected = trained(Path(run_tiny.output), *MIXED)
    assert any("models/mlm" in name for name in expected)
    assert trained(pretrained, *MIXED) == expected
