"""An encoder that loads but does not fit its tokenizer, its options or this program is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.encoders import TEXTS, unigram
from torch import nn
from transformers import AutoConfig, AutoModelForMaskedLM

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.encoder import Source, dropouts, load, load_config
from stilts_xtreme.models.tokenizer import load_tokenizer, tell_length

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
TINY: dict[str, dict[str, Any]] = {
    "xlm-roberta": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48},
    "xlm": {"emb_dim": 32, "n_layers": 2, "n_heads": 2},
    "electra": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
    "fnet": {"hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48},
    "mpnet": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
    "deberta-v2": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
    "modernbert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48},
}


def saved(folder: Path, family: str = "xlm-roberta", **values: Any) -> Path:
    """A tiny encoder with the tokenizer beside it."""
    tokenizer = unigram()
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    if family == "modernbert":
        ids |= {"cls_token_id": 0, "sep_token_id": 2}
    config = AutoConfig.for_model(family, **{"vocab_size": len(tokenizer), **TINY[family], **ids, **values})
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_a_tokenizer_that_fits_is_loaded(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(Source(str(saved(tmp_path))))
    assert tokenizer.unk_token_id not in tokenizer(TEXTS[0]).input_ids


@pytest.mark.parametrize("left", [(), ("tokenizer_config.json",)])
def test_missing_tokenizer_files_are_named(tmp_path: Path, left: tuple[str, ...]) -> None:
    saved(tmp_path)
    for file in [*tmp_path.glob("tokenizer*"), *tmp_path.glob("special_tokens_map*"), *tmp_path.glob("*.model")]:
        if file.name not in left:
            file.unlink()
    with pytest.raises(StiltsError) as caught:
        load_tokenizer(Source(str(tmp_path)))
    said = str(caught.value)
    assert str(tmp_path) in said
    assert "tokenizer" in said
    assert "\n" not in said


def test_a_token_without_a_row_in_the_embedding_is_refused_before_training(tmp_path: Path) -> None:
    saved(tmp_path)
    tokenizer = load_tokenizer(Source(str(tmp_path)))
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(StiltsError, match=r"sub-token '<new>' .*resize_token_embeddings"):
        load_tokenizer(Source(str(tmp_path)))


def test_a_tokenizer_of_another_encoder_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, vocab_size=10 * len(unigram()))
    with pytest.raises(StiltsError, match="missing or those of another encoder"):
        load_tokenizer(Source(str(tmp_path)))


def test_an_embedding_padded_to_a_round_number_fits(tmp_path: Path) -> None:
    load_tokenizer(Source(str(saved(tmp_path, vocab_size=len(unigram()) + 63))))


@pytest.mark.parametrize("kind", ["config", "tokenizer"])
def test_code_of_a_model_folder_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    saved(tmp_path)
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Own: ...\n")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    if kind == "config":
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(StiltsError, match="needs code of its own"):
            load_config(Source(str(tmp_path)))
    else:
        path = tmp_path / "tokenizer_config.json"
        own = {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", None]}}
        path.write_text(json.dumps(json.loads(path.read_text()) | own))
        try:
            load_tokenizer(Source(str(tmp_path)))
        except StiltsError as error:
            assert "needs code of its own" in str(error)  # noqa: PT017 (whether it is refused is transformers' affair)
    assert not (tmp_path / "ran").exists()


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    path = tmp_path / "config.json"
    quantised = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}
    path.write_text(json.dumps(json.loads(path.read_text()) | quantised))
    with pytest.raises(StiltsError, match="quantised"):
        load_config(Source(str(tmp_path)))


@pytest.mark.parametrize("family", TINY)
def test_dropout_reaches_every_layer_or_is_refused(tmp_path: Path, family: str) -> None:
    encoder = load(Source(str(saved(tmp_path, family))), dropout=0.25, packed=False)
    rates = {module.p for module in encoder.base.modules() if isinstance(module, nn.Dropout)}
    assert rates <= {0.25}
    assert encoder.replaced
    assert all(getattr(encoder.config, name) == 0.25 for name in encoder.replaced)
    encoder.train()
    ids = torch.tensor([[0, 7, 8, 9, 10, 11, 12, 2]])
    torch.manual_seed(0)
    first, second = (encoder.base(input_ids=ids).last_hidden_state for _ in range(2))
    assert not torch.equal(first, second), "it drops in training"


@pytest.mark.parametrize("family", TINY)
def test_no_dropout_means_none(tmp_path: Path, family: str) -> None:
    encoder = load(Source(str(saved(tmp_path, family))), dropout=0.0, packed=False).train()
    ids = torch.tensor([[0, 7, 8, 9, 10, 11, 12, 2]])
    first, second = (encoder.base(input_ids=ids).last_hidden_state for _ in range(2))
    assert torch.equal(first, second)


def test_a_layer_that_keeps_its_own_dropout_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stilts_xtreme.models.encoder.dropouts", lambda config: {"hidden_dropout_prob": 0.1})
    with pytest.raises(StiltsError, match=r"recipe.\*.dropout=0.25 does not reach all of xlm-roberta: .* keeps 0.1"):
        load(Source(str(saved(tmp_path))), dropout=0.25)


def test_dropouts_of_heads_are_left_alone() -> None:
    config = AutoConfig.for_model("distilbert")
    assert set(dropouts(config)) == {"dropout", "attention_dropout"}
    assert set(dropouts(AutoConfig.for_model("deberta-v2"))) == {"hidden_dropout_prob", "attention_probs_dropout_prob"}


def test_gradient_checkpointing_where_there_is_none(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    load(Source(str(folder)), gradient_checkpointing=True)
    source = Source(str(saved(tmp_path / "xlm", "xlm")))
    with pytest.raises(StiltsError, match=r"trainer.gradient_checkpointing=true is refused: .* xlm"):
        load(source, gradient_checkpointing=True)


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("tokenizer.json", b"", "tokenizer.json is empty"),
        ("tokenizer.json", b'{"version": "1.0", "mod', "tokenizer.json is damaged"),
        ("tokenizer.json", POINTER, "tokenizer.json is only Git"),
        (
            "model.safetensors",
            POINTER,
            "is only Git LFS's pointer",
        ),
        ("model.safetensors", b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "model.safetensors is damaged"),
        ("config.json", b"", "config.json is empty"),
    ],
)
def test_a_damaged_file_is_named_with_its_remedy(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    (saved(tmp_path) / name).write_bytes(content)
    with pytest.raises(StiltsError) as caught:
        (load if name == "model.safetensors" else load_tokenizer)(Source(str(tmp_path)))
    assert f"{tmp_path} cannot be loaded: " in str(caught.value)
    assert cause in str(caught.value)
    assert "bring the file" in str(caught.value)


def test_weights_in_a_pickle_alone_are_told_with_the_remedy(tmp_path: Path) -> None:
    (saved(tmp_path) / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(StiltsError, match=r"pytorch_model\.bin, a pickle.*save_pretrained"):
        load(Source(str(tmp_path)))


@pytest.mark.parametrize("value", ["512", -1, 0, True])
def test_a_most_of_tokens_that_is_no_number_of_tokens_is_refused(tmp_path: Path, value: object) -> None:
    tokenizer = load_tokenizer(Source(str(saved(tmp_path))))
    tokenizer.model_max_length = value
    with pytest.raises(StiltsError, match="model_max_length="):
        tell_length(tokenizer, 128, str(tmp_path))


def test_a_tokenizer_much_smaller_than_the_embedding_is_of_another_encoder(tmp_path: Path) -> None:
    """BERT's 30,522 sub-tokens beside an embedding of RoBERTa's 50,265 rows."""
    with pytest.raises(StiltsError, match="those of another encoder"):
        load_tokenizer(Source(str(saved(tmp_path, vocab_size=round(len(unigram()) / 0.6)))))
