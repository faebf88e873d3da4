"""Saved models are plain Hugging Face folders: they load, predict the same, and share one encoder on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.encoders import FAMILIES, FAMILY_OF, TEXTS, TOKENIZERS, bare_encoder, checkpoint, scramble
from transformers import AutoModel, AutoTokenizer, pipeline

from stilts_xtreme.models.batch import Batch
from stilts_xtreme.models.encoder import Encoder, Source, load
from stilts_xtreme.models.hf_heads import auto_model, head_of
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.checkpoint import ENCODER_SHARD, HEAD_SHARD, model_folder, save, source_of
from stilts_xtreme.tasks.joint import JointModule
from stilts_xtreme.tasks.masked_lm.module import MLMModule
from stilts_xtreme.tasks.options import HeadOptions

LABELS = {"classification": ("yes", "no", "maybe"), "tagging": ("O", "B-X", "I-X"), "qa": (), "choice": ("0", "1")}
OPTIONS = HeadOptions(max_length=48)
LINEAGE = [
    {"what": "pretrained: some/encoder", "revision": "abc", "synthetic": False},
    {"what": "trained on things (seed 1, recipe mini)", "key": "k", "synthetic": False},
]
SYNTHETIC = [{"what": "pretrained by masked language modelling: mini, synthetic data", "key": "k", "synthetic": True}]
TOKENIZER_OF = {
    **dict.fromkeys(FAMILIES, "unigram"),
    **{family: name for name, family in FAMILY_OF.items()},
}


def heads_for(encoder: Encoder, kinds: tuple[str, ...] = tuple(LABELS)) -> dict[str, Any]:
    heads = {f"my_{kind}": format_of(kind).module()(encoder, LABELS[kind], OPTIONS).eval() for kind in kinds}
    for at, head in enumerate(heads.values()):
        scramble(head.head, at + 1)
    return heads


def inputs(tokenizer: Any) -> dict[str, torch.Tensor]:
    return tokenizer(TEXTS[:4], ["fox", "the sea", "b", "北京"], return_tensors="pt", padding=True)


def ragged(encoded: Any) -> Batch:
    lengths = encoded["attention_mask"].sum(1)
    mask = encoded["attention_mask"].bool()
    types = encoded["token_type_ids"][mask] if "token_type_ids" in encoded else None
    return Batch(encoded["input_ids"][mask], lengths, torch.ones_like(lengths), types)


def assert_same_logits(folder: Path, module: Any, tokenizer: Any) -> None:
    """The folder's model on padded texts against the module on ragged ones."""
    saved, report = auto_model(format_of(module.format).head).from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    assert all("pooler" in name for name in report["unexpected_keys"])
    saved.eval()
    encoded = inputs(tokenizer)
    batch = ragged(encoded)
    with torch.no_grad():
        if module.format == "choice":
            found = module.outputs(batch)[0]
            expected = saved(**{name: value[None] for name, value in encoded.items()}).logits[0]
        elif module.format == "classification":
            found, expected = module.outputs(batch)[0], saved(**encoded).logits
        else:
            mask = encoded["attention_mask"].bool()
            output = module.head(module.encoder(batch)[None])
            names = ("start_logits", "end_logits") if module.format == "qa" else ("logits",)
            found = torch.cat([output[name][0].reshape(len(batch.ids), -1) for name in names], 1)
            expected = saved(**encoded)
            expected = torch.cat([expected[name][mask].reshape(len(batch.ids), -1) for name in names], 1)
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_head_is_a_plain_folder(tmp_path, family, kind):
    encoder = bare_encoder(family)
    heads = heads_for(encoder, (kind,))
    tokenizer = TOKENIZERS[TOKENIZER_OF[family]]()
    save(tmp_path, encoder, heads, tokenizer, LINEAGE)
    folder = model_folder(tmp_path, f"my_{kind}")
    assert_same_logits(folder, heads[f"my_{kind}"], tokenizer)
    again = AutoTokenizer.from_pretrained(folder)
    assert again(TEXTS)["input_ids"] == tokenizer(TEXTS)["input_ids"]


def rates(module: torch.nn.Module) -> set[float]:
    return {part.p for part in module.modules() if "Dropout" in type(part).__name__}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_replaced_dropout_is_not_handed_on(tmp_path, family):
    tokenizer = TOKENIZERS[TOKENIZER_OF[family]]()
    place = Source(str(checkpoint(tmp_path / "pretrained", family, dropout=0.2)))
    for stage, dropout, expected in (("a", 0.4, 0.4), ("b", None, 0.2), ("c", 0.0, 0.0), ("d", None, 0.2)):
        encoder = load(place, dropout=dropout)
        assert rates(encoder.base) == {expected}, stage
        save(tmp_path / stage, encoder, heads_for(encoder, ("classification",)), tokenizer, LINEAGE)
        place = source_of(tmp_path / stage, None)
        assert rates(AutoModel.from_pretrained(place.place)) == {0.2}, "what others load has the encoder's own too"


@pytest.mark.parametrize("family", ["xlm-roberta", "bert", "deberta-v2"])
def test_a_joint_training_shares_its_encoder_on_disk(tmp_path, family):
    encoder = bare_encoder(family)
    heads = heads_for(encoder)
    JointModule(encoder, heads)
    tokenizer = TOKENIZERS[TOKENIZER_OF[family]]()
    save(tmp_path, encoder, heads, tokenizer, LINEAGE)
    folders = {name: model_folder(tmp_path, name) for name in heads}
    assert len({(folder / ENCODER_SHARD).stat().st_ino for folder in folders.values()}) == 1
    assert (folders["my_qa"] / ENCODER_SHARD).stat().st_nlink == 4
    assert len({(folder / HEAD_SHARD).stat().st_ino for folder in folders.values()}) == 4
    for name, folder in folders.items():
        assert_same_logits(folder, heads[name], tokenizer)
        weights = {path.name for path in folder.iterdir() if path.stat().st_size > 10_000 or ".bin" in path.name}
        assert not [name for name in weights if name.endswith((".bin", ".pt", ".ckpt"))]
        assert {path.name for path in folder.glob("*.safetensors")} == {ENCODER_SHARD, HEAD_SHARD}
        index = json.loads((folder / "model.safetensors.index.json").read_text())
        shards = {shard: load_file(folder / shard) for shard in (ENCODER_SHARD, HEAD_SHARD)}
        assert index["weight_map"] == {key: shard for shard, found in shards.items() for key in found}
        size = sum(value.numel() * value.element_size() for found in shards.values() for value in found.values())
        assert index["metadata"]["total_size"] == size
        assert not any("embeddings" in key or ".encoder." in key for key in shards[HEAD_SHARD])


def test_without_hard_links_the_shard_is_copied(tmp_path, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    encoder = bare_encoder()
    heads = heads_for(encoder, ("qa", "tagging"))
    save(tmp_path, encoder, heads, TOKENIZERS["unigram"](), LINEAGE)
    one, two = (model_folder(tmp_path, name) / ENCODER_SHARD for name in heads)
    assert one.stat().st_ino != two.stat().st_ino
    assert one.read_bytes() == two.read_bytes()


def test_config_and_card_say_what_it_is(tmp_path):
    encoder = bare_encoder()
    heads = heads_for(encoder)
    save(tmp_path / "real", encoder, heads, TOKENIZERS["unigram"](), LINEAGE)
    save(tmp_path / "made", encoder, heads, TOKENIZERS["unigram"](), SYNTHETIC)
    for name, module in heads.items():
        folder = model_folder(tmp_path / "real", name)
        config = json.loads((folder / "config.json").read_text())
        assert config["stilts_xtreme"]["task"] == name
        assert config["stilts_xtreme"]["lineage"] == LINEAGE
        assert config["architectures"] == [type(module.head.model).__name__]
        assert config["dtype"] == "float32"
        if module.format in ("classification", "tagging"):
            assert config["id2label"] == {str(at): label for at, label in enumerate(LABELS[module.format])}
        card = (folder / "README.md").read_text()
        front, body = card.split("---\n")[1:3]
        assert "library_name: transformers" in front
        assert "pipeline_tag: " in front
        assert "synthetic" not in card.lower()
        for step in LINEAGE:
            assert step["what"] in body
        made = (model_folder(tmp_path / "made", name) / "README.md").read_text()
        assert "Trained on synthetic data" in made


def run_snippet(folder: Path) -> Any:
    """Executes the code that a model card shows."""
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert "PATH OF THIS FOLDER" in code
    names: dict[str, Any] = {}
    exec(code.replace("PATH OF THIS FOLDER", str(folder)), names)
    return names["model"]


@pytest.mark.parametrize("family", ["xlm-roberta", "bert", "roberta", "modernbert"])
def test_the_code_on_the_card_runs(tmp_path, family):
    encoder = bare_encoder(family)
    heads = heads_for(encoder)
    tokenizer = TOKENIZERS[TOKENIZER_OF[family]]()
    heads["pretrained"] = MLMModule(encoder, tokenizer, OPTIONS, 0.15)
    save(tmp_path, encoder, heads, tokenizer, LINEAGE)
    for name, module in heads.items():
        model = run_snippet(model_folder(tmp_path, name))
        if module.format in ("qa", "choice"):
            assert isinstance(model, type(module.head.model))
            continue
        if module.format == "mlm":
            assert len(model(f"the {tokenizer.mask_token} fox")) == 5
            continue
        text = "Nairobi is the capital"
        found = model(text)
        if module.format == "classification":
            rows = {"id": ["x"], "text_a": [text], "text_b": [""]}
            batch = module.features(rows, tokenizer).take(np.asarray([0]))
            with torch.no_grad():
                logits = module.outputs(batch)[0][0]
            assert found[0]["label"] == LABELS["classification"][int(logits.argmax())]
            assert found[0]["score"] == pytest.approx(float(logits.softmax(0).max()), abs=1e-5)
        else:
            batch = ragged(tokenizer([text], return_tensors="pt"))
            with torch.no_grad():
                tags = module.outputs(batch)[0][1:-1]
            everything = pipeline("token-classification", model=str(model_folder(tmp_path, name)), ignore_labels=[])
            assert [entry["entity"] for entry in everything(text)] == [LABELS["tagging"][tag] for tag in tags.tolist()]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pretraining_head_is_tied(tmp_path, family):
    encoder = bare_encoder(family, tie_word_embeddings=True)
    tokenizer = TOKENIZERS[TOKENIZER_OF[family]]()
    module = MLMModule(encoder, tokenizer, OPTIONS, 0.15).eval()
    assert module.head.model.get_output_embeddings().weight is encoder.base.get_input_embeddings().weight
    scramble(module, 4)
    save(tmp_path, encoder, {"pretrained": module}, tokenizer, SYNTHETIC)
    folder = model_folder(tmp_path)
    shards = [load_file(shard) for shard in folder.glob("*.safetensors")]
    stored = [key for shard in shards for key, value in shard.items() if len(value) == 420]
    assert sum("embeddings" in key for key in stored) == 1
    assert not any("decoder.weight" in key for key in stored)
    saved = auto_model(format_of("mlm").head).from_pretrained(folder).eval()
    assert saved.get_output_embeddings().weight is saved.get_input_embeddings().weight
    assert_same_logits(folder, module, tokenizer)
    encoder_again = load(source_of(tmp_path, None))
    for name, weight in encoder.base.state_dict().items():
        assert torch.equal(weight, encoder_again.base.state_dict()[name]), name


@pytest.mark.parametrize("kind", LABELS)
def test_a_pretrained_pooler_goes_on_through_any_head(tmp_path, kind):
    """A head that does not use the pooler must not lose it for the next stage."""
    encoder = load(Source(str(checkpoint(tmp_path / "hub", "bert", AutoModel)))).eval()
    tokenizer = TOKENIZERS["word_piece"]()
    heads = heads_for(encoder, (kind,))
    pooler = encoder.pooler.dense.weight.detach().clone()
    save(tmp_path, encoder, heads, tokenizer, LINEAGE)
    again = load(source_of(tmp_path, None))
    assert torch.equal(again.pooler.dense.weight, pooler)
    assert_same_logits(model_folder(tmp_path), heads[f"my_{kind}"], tokenizer)


def test_the_pooler_of_a_head_stays_with_that_head(tmp_path):
    """XLM-R has no pretrained pooler: the one of a choice head is a part of the head, as its classifier is."""
    encoder = bare_encoder()
    heads = heads_for(encoder, ("choice",))
    save(tmp_path, encoder, heads, TOKENIZERS["unigram"](), LINEAGE)
    source = source_of(tmp_path, None)
    again = load(source)
    trained = heads["my_choice"].head.plug.pooler.dense.weight
    assert again.pooler is None
    assert not torch.equal(head_of(again, format_of("choice").head).plug.pooler.dense.weight, trained)
    assert torch.equal(head_of(again, format_of("choice").head, (), source).plug.pooler.dense.weight, trained)


def test_a_second_stage_goes_on_from_the_first(tmp_path):
    encoder = bare_encoder()
    tokenizer = TOKENIZERS["unigram"]()
    save(tmp_path / "a", encoder, heads_for(encoder), tokenizer, LINEAGE)
    source = source_of(tmp_path / "a", None, "my_tagging")
    assert source.place.endswith("my_tagging")
    second = load(source).eval()
    head = format_of("tagging").module()(second, LABELS["tagging"], OPTIONS, source).eval()
    save(tmp_path / "b", second, {"more": head}, tokenizer, [*LINEAGE, LINEAGE[-1]])
    one, two = (load_file(model_folder(tmp_path / name) / ENCODER_SHARD) for name in "ab")
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    config = json.loads((model_folder(tmp_path / "b") / "config.json").read_text())
    assert config["stilts_xtreme"]["task"] == "more"
    assert len(config["stilts_xtreme"]["lineage"]) == 3
    assert_same_logits(model_folder(tmp_path / "b"), head, tokenizer)


def test_a_source_from_outside_is_passed_on():
    assert source_of(None, Source("some/model", "abc")) == Source("some/model", "abc")
