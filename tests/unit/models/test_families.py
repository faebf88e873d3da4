"""Every type of encoder that transformers has a masked-language-model head for works, or is refused in a sentence."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.cells import ROOT
from transformers import AutoModel
from transformers.utils import logging

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models import head_run
from stilts_xtreme.models.encoder import Source, load
from stilts_xtreme.models.head_run import settle_encoder
from stilts_xtreme.models.hf_heads import assemble, auto_model
from stilts_xtreme.models.positions import position_limit
from stilts_xtreme.tasks import format_of


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("page_of_encoders", ROOT / "docs" / "encoders.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


families = _load()
PAGE = (ROOT / "docs" / "encoders.md").read_text(encoding="utf-8")
UNLIKE = (
    "albert",
    "big_bird",
    "data2vec-text",
    "eurobert",
    "gte",
    "longformer",
    "luke",
    "mpnet",
    "squeezebert",
    "xmod",
)
"""Types whose poolers, poolings or inputs are not those of BERT."""
PLAIN = ("bert", "xlm-roberta", "distilbert", "deberta-v2", "modernbert", "electra", "roberta")
"""Types whose heads look at hidden states alone."""
HEADS = ("classification", "qa", "tagging", "choice")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    yield
    logging.set_verbosity(before)


def checkpoint(folder: Path, kind: str, **changes: Any) -> Source:
    """A tiny encoder of a type, with some values of its configuration changed before it is made."""
    own = families.OWN.get(kind, {})
    try:
        families.OWN[kind] = own | changes
        return Source(str(families.checkpoint(kind, folder)))
    finally:
        families.OWN[kind] = own


def test_the_page_lists_the_types_of_the_installed_transformers() -> None:
    listed = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert listed == families.types()


@pytest.mark.parametrize("kind", families.types())
def test_a_type_works_or_is_refused_as_the_page_says(kind: str) -> None:
    found = families.outcomes(kind)
    assert families.line(kind, found) in PAGE
    for text in found.values():
        assert "\n" not in text
        assert text == "works" or kind in text
        assert text == "works" or "head in transformers" in text or families.reason(kind, text) in PAGE


def padded(batch: Any, padding: int) -> dict[str, torch.Tensor]:
    rows = batch.ids.split(batch.lengths.tolist())
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
    ones = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    found = {"input_ids": ids, "attention_mask": ones}
    if batch.types is not None:
        types = batch.types.split(batch.lengths.tolist())
        found["token_type_ids"] = torch.nn.utils.rnn.pad_sequence(types, batch_first=True)
    return found


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", UNLIKE)
def test_outputs_are_those_of_the_saved_model(tmp_path: Path, kind: str, head: str) -> None:
    source = checkpoint(tmp_path / "pretrained", kind)
    try:
        module = families.module_of(head, source).eval()
    except StiltsError as error:
        assert "head in transformers" in str(error)  # noqa: PT017 (whether there is one is transformers' affair)
        return
    families.scramble(module.head, 3)
    assemble(module.encoder, module.head).save_pretrained(tmp_path / "saved")
    saved, report = auto_model(module.head.kind).from_pretrained(tmp_path / "saved", output_loading_info=True)
    assert not report["missing_keys"]
    features = module.features(families.ROWS[head], families.tokenizer())
    batch = features.take(np.arange(len(features)))
    inputs = padded(batch, module.encoder.config.pad_token_id)
    if head == "choice":
        if kind == "longformer":  # Hugging Face's own head mixes examples of a batch up, other than one at a time
            inputs = {name: value[None] for name, value in inputs.items()}
        else:
            inputs = {name: value.view(2, 2, -1) for name, value in inputs.items()}
    with torch.no_grad():
        found, expected = module.outputs(batch), saved.eval()(**inputs)
    mask = inputs["attention_mask"].bool()
    if head == "qa":
        expected = (expected.start_logits[mask], expected.end_logits[mask])
    elif head == "tagging":
        expected = (expected.logits[mask].argmax(-1).to(torch.int16),)
    else:
        expected = (expected.logits.reshape(found[0].shape),)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_albert_uses_its_own_activation(tmp_path: Path) -> None:
    module = families.module_of("choice", checkpoint(tmp_path, "albert"))
    assert module.head.whole
    assert not families.module_of("qa", Source(str(tmp_path))).head.whole


@pytest.mark.parametrize("pooling", ["bos", "mean", "late"])
def test_eurobert_pools_as_its_configuration_says(tmp_path: Path, pooling: str) -> None:
    module = families.module_of("classification", checkpoint(tmp_path, "eurobert", classifier_pooling=pooling))
    assert module.head.model.config.classifier_pooling == pooling
    assert module.head.whole == (pooling != "bos")


def test_an_encoder_that_wants_a_language_is_refused_without_one(tmp_path: Path) -> None:
    source = checkpoint(tmp_path, "xmod", default_language=None)
    for head in ("classification", "retrieval"):
        with pytest.raises(StiltsError, match=r"\(xmod\) cannot be run on rows .*set_default_language"):
            families.module_of(head, source)


def test_a_summary_of_the_last_token_is_refused(tmp_path: Path) -> None:
    source = checkpoint(tmp_path, "xlm", summary_type="last")
    with pytest.raises(StiltsError, match="other numbers when it is padded"):
        families.module_of("classification", source)
    families.module_of("tagging", source)


def test_a_mean_over_the_row_is_no_mean_over_hidden_states_of_one_token(tmp_path: Path) -> None:
    source = checkpoint(tmp_path, "electra", summary_type="mean")
    with pytest.raises(StiltsError, match="other numbers when it is padded"):
        families.module_of("choice", source)


@pytest.mark.parametrize("kind", PLAIN)
def test_heads_of_hidden_states_run_on_hidden_states(tmp_path: Path, kind: str) -> None:
    source = checkpoint(tmp_path, kind)
    assert not any(families.module_of(head, source).head.whole for head in (*HEADS, "mlm"))


def test_a_wrong_packed_result_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = load(checkpoint(tmp_path, "bert"))
    settle_encoder(encoder)
    first_tokens = type(encoder).first_tokens
    monkeypatch.setattr(type(encoder), "first_tokens", lambda self, batch: 1.01 * first_tokens(self, batch))
    with pytest.raises(StiltsError, match=r"\(bert\): its hidden states without padding differ .*packing=false"):
        settle_encoder(encoder)


def test_the_comparison_leaves_no_trace(tmp_path: Path) -> None:
    encoder = load(checkpoint(tmp_path, "bert"), dropout=0.5).train()
    encoder.base.get_submodule("encoder.layer.0").eval()
    modes = [module.training for module in encoder.modules()]
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    settle_encoder(encoder, layers=True)
    assert position_limit(encoder) == 130
    assert torch.equal(torch.rand(3), expected)
    assert [module.training for module in encoder.modules()] == modes
    assert all(weight.grad is None for weight in encoder.parameters())


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("bert", 130),
        ("roberta", 128),
        ("luke", 128),
        ("mpnet", 128),
        ("xlm", 130),
        ("distilbert", 130),
        ("albert", 130),
        ("ibert", 128),
        ("deberta-v2", 130),
        ("modernbert", 130),
        ("data2vec-text", 128),
        ("longformer", 128),
    ],
)
def test_the_longest_sequence(tmp_path: Path, kind: str, limit: int) -> None:
    """As many tokens as said can be run; where positions are looked up, one more cannot."""
    source = checkpoint(tmp_path, kind)
    assert position_limit(load(source)) == limit
    model = AutoModel.from_pretrained(source.place).eval()
    with torch.no_grad():
        ids = torch.full((1, limit + 1), 9)
        model(input_ids=ids[:, :limit])
        if kind not in ("deberta-v2", "modernbert", "longformer"):
            with pytest.raises((IndexError, RuntimeError)):
                model(input_ids=ids)


def test_a_length_beyond_the_positions_is_a_sentence(tmp_path: Path) -> None:
    encoder = load(checkpoint(tmp_path, "luke"))
    options = families.HeadOptions(max_length=130)
    with pytest.raises(StiltsError, match="max_length=130 is more than the 128 tokens that luke takes"):
        format_of("tagging").module()(encoder, ("O",), options)


def test_a_decoder_is_refused(tmp_path: Path) -> None:
    source = checkpoint(tmp_path, "bert")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"is_decoder": True}))
    with pytest.raises(StiltsError, match=r"bert model with a decoder \(is_decoder=true"):
        load(source)


def test_a_head_that_needs_more_than_hidden_states_says_so(tmp_path: Path) -> None:
    module = families.module_of("classification", checkpoint(tmp_path, "albert"))
    with pytest.raises(StiltsError, match="takes more than hidden states"):
        module.head(torch.zeros(1, 1, 32))
    assert head_run.named(module.encoder).endswith("(albert)")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"max_position_embeddings": 512}, r"does not fit its config.json \(bert\): .* instead of \(512, 32\)"),
        ({"attn_implementation": "flash_attention_2"}, "cannot be loaded"),
        ({"return_dict": False, "use_return_dict": False}, "cannot be loaded"),
        ({"chunk_size_feed_forward": 3}, "cannot be run on rows of tokens alone"),
        ({"num_hidden_layers": 3}, "weights are missing"),
    ],
)
def test_a_configuration_that_does_not_fit_is_a_sentence(tmp_path: Path, edit: dict[str, Any], said: str) -> None:
    source = checkpoint(tmp_path, "bert")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | edit))
    with pytest.raises(StiltsError, match=said):
        families.module_of("classification", source)


def test_weights_that_are_not_used_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(checkpoint(tmp_path, "bert"))
    assert not caplog.records
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 1}))
    load(Source(str(tmp_path)))
    assert "16 weights of the encoder" in caplog.text


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    encoder = load(checkpoint(tmp_path, "bert"))
    with torch.no_grad():
        encoder.base.get_parameter("encoder.layer.0.output.dense.bias")[0] = float("nan")
    with pytest.raises(StiltsError, match="not finite"):
        settle_encoder(encoder)
