"""The encoder and the heads against Hugging Face's own models, for every supported family."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.encoders import (
    FAMILIES,
    POOLED,
    bare_encoder,
    byte_level,
    checkpoint,
    config_of,
    features_of,
    scramble,
    unigram,
)
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
)

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models import hf_heads
from stilts_xtreme.models.encoder import Source, load, load_config
from stilts_xtreme.models.hf_heads import assemble, auto_model
from stilts_xtreme.models.tokenizer import load_tokenizer
from stilts_xtreme.tasks import formats

LABELS = ("yes", "no", "maybe")
KINDS = {name: format.head for name, format in formats().items() if format.head is not None}


def head_of(encoder: Any, kind: str, labels: tuple[str, ...] = (), continues: Source | None = None) -> Any:
    return hf_heads.head_of(encoder, KINDS[kind], labels, continues)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {family: checkpoint(root / family, family) for family in FAMILIES}


def ragged(seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    sizes = (7, 1, 19, 3, 11)
    sequences = [[0, *generator.integers(5, 400, size), 2] for size in sizes]
    return features_of([[sequence] for sequence in sequences], types=True)


def padded(batch: Any, config: Any) -> dict[str, torch.Tensor]:
    rows = batch.ids.split(batch.lengths.tolist())
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=config.pad_token_id)
    found = {"input_ids": ids, "attention_mask": (ids != config.pad_token_id).long()}
    if batch.types is not None:
        found["token_type_ids"] = torch.nn.utils.rnn.pad_sequence(
            batch.types.split(batch.lengths.tolist()), batch_first=True
        )
    return found


def one_sentence(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    assert text.rstrip()[-1] in ".?!" or "cannot be loaded" in text
    return text


@pytest.mark.parametrize("family", FAMILIES)
def test_flat_hidden_states_equal_the_plain_forward(folders, family):
    encoder = load(Source(str(folders[family]))).eval()
    plain = AutoModel.from_pretrained(folders[family]).eval()
    features = ragged()
    if family != "bert":
        features.types = None
    batch = features.take(np.asarray([2, 0, 4, 1, 3]))
    with torch.no_grad():
        expected = plain(**padded(batch, encoder.config), output_hidden_states=True)
        for layer in (None, 0, 1, 2):
            hidden = encoder(batch, layer)
            source = expected.last_hidden_state if layer is None else expected.hidden_states[layer]
            for row, part in enumerate(hidden.split(batch.lengths.tolist())):
                torch.testing.assert_close(part, source[row, : len(part)], atol=1e-5, rtol=1e-5)
        if family == "bert":  # segment ids do count
            with_types = encoder(batch)
            batch.types = None
            assert not torch.allclose(encoder(batch), with_types)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sequence_does_not_see_its_neighbours(folders, family):
    encoder = load(Source(str(folders[family]))).eval()
    features = ragged()
    features.types = None
    with torch.no_grad():
        together = encoder(features.take(np.arange(5))).split(features.lengths.tolist())
        for unit in range(5):
            alone = encoder(features.take(np.asarray([unit])))
            torch.testing.assert_close(alone, together[unit], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_head_equals_the_assembled_model_saved_and_loaded(folders, family, kind, tmp_path):
    encoder = load(Source(str(folders[family]))).eval()
    torch.manual_seed(3)
    head = head_of(encoder, kind, LABELS).eval()
    if kind != "mlm":
        scramble(head, 5)
    whole = assemble(encoder, head)
    whole.save_pretrained(tmp_path)
    saved, report = auto_model(KINDS[kind]).from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    saved.eval()
    if kind in ("classification", "tagging"):
        assert saved.config.id2label == dict(enumerate(LABELS))
    features = ragged()
    features.types = None
    batch = features.take(np.arange(5))
    inputs = padded(batch, encoder.config)
    with torch.no_grad():
        hidden = encoder(batch)
        firsts = hidden[torch.cumsum(batch.lengths, 0) - batch.lengths][:, None]
        if kind == "choice":
            expected = saved(**{name: value[None] for name, value in inputs.items()}).logits[0]
            found = head(firsts).logits[:, 0]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
            return
        if kind == "classification":
            torch.testing.assert_close(head(firsts).logits, saved(**inputs).logits, atol=1e-5, rtol=1e-5)
            return
        output, expected = head(hidden[None]), saved(**inputs)
        for name in ("start_logits", "end_logits") if kind == "qa" else ("logits",):
            for row, part in enumerate(output[name][0].split(batch.lengths.tolist())):
                torch.testing.assert_close(part, expected[name][row, : len(part)], atol=1e-4, rtol=1e-5)


def test_assembling_leaves_the_head_as_it_was(folders):
    encoder = load(Source(str(folders["bert"])))
    head = head_of(encoder, "classification", LABELS)
    whole = assemble(encoder, head)
    assert whole.get_input_embeddings().weight is encoder.base.get_input_embeddings().weight
    assert head.plug.hidden is None
    assert not any("embeddings" in name for name, _ in head.named_parameters())
    assert encoder.base.pooler is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mlm"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_head_is_initialised_as_hugging_face_does(folders, family, kind):
    """Every weight is filled, with the spread of the model's own initialisation, from the seed alone."""
    encoder = load(Source(str(folders[family])))
    plain = auto_model(KINDS[kind]).from_config(head_of(encoder, kind, LABELS).model.config)
    reference = dict(plain.named_parameters())
    torch.manual_seed(1)
    first = head_of(encoder, kind, LABELS)
    torch.manual_seed(1)
    second = head_of(encoder, kind, LABELS)
    weights = dict(first.model.named_parameters())
    assert set(weights) == {
        name for name in reference if not name.startswith(plain.base_model_prefix + ".") or ".pooler." in name
    }
    for name, weight in weights.items():
        assert weight.device.type == "cpu"
        assert torch.isfinite(weight).all()
        assert torch.equal(weight, dict(second.model.named_parameters())[name])
        wanted = reference[name]
        assert weight.shape == wanted.shape
        if wanted.numel() == 1 or wanted.std() == 0:
            assert torch.equal(weight, wanted)
        else:
            assert 0.5 < weight.std() / wanted.std() < 2
    assert not any(buffer.device.type == "meta" for buffer in first.buffers())


def test_a_fresh_head_allocates_no_encoder(folders, monkeypatch):
    encoder = load(Source(str(folders["bert"])))
    made: list[str] = []
    original = torch.nn.Embedding.reset_parameters

    def reset(self: torch.nn.Embedding) -> None:
        made.append(self.weight.device.type)
        original(self)

    monkeypatch.setattr(torch.nn.Embedding, "reset_parameters", reset)
    head_of(encoder, "tagging", LABELS)
    assert set(made) == {"meta"}


def test_a_pretrained_pooler_is_kept_and_used(tmp_path):
    folder = checkpoint(tmp_path, "bert", AutoModel)
    weight = load_file(folder / "model.safetensors")["pooler.dense.weight"]
    encoder = load(Source(str(folder)))
    assert torch.equal(encoder.pooler.dense.weight, weight)
    assert encoder.base.pooler is None
    for kind in ("classification", "choice"):
        head = head_of(encoder, kind, LABELS)
        assert head.plug.pooler is encoder.pooler
        hidden = torch.randn(4, 1, 32)
        head(hidden).logits.sum().backward()
        assert encoder.pooler.dense.weight.grad is not None
        encoder.pooler.zero_grad()
    assert head_of(encoder, "tagging", LABELS).plug.pooler is None


@pytest.mark.parametrize("family", POOLED)
def test_a_random_pooler_is_not_kept(folders, family):
    encoder = load(Source(str(folders[family])))  # a masked language model has no pooler
    assert encoder.pooler is None
    assert encoder.base.pooler is None
    torch.manual_seed(1)
    first = head_of(encoder, "choice").plug.pooler
    torch.manual_seed(2)
    second = head_of(encoder, "choice").plug.pooler
    assert first is not second
    assert not torch.equal(first.dense.weight, second.dense.weight)


def test_a_head_goes_on_from_its_weights(tmp_path):
    folder = checkpoint(tmp_path, "xlm-roberta", AutoModelForSequenceClassification, id2label=dict(enumerate(LABELS)))
    encoder = load(Source(str(folder)))
    head = head_of(encoder, "classification", LABELS, Source(str(folder)))
    saved = load_file(folder / "model.safetensors")
    assert torch.equal(head.model.classifier.dense.weight, saved["classifier.dense.weight"])
    assert torch.equal(head.model.classifier.out_proj.bias, saved["classifier.out_proj.bias"])


@pytest.mark.parametrize("labels", [("no", "yes", "maybe"), ("yes", "no"), ("a", "b", "c", "d")])
def test_a_head_with_other_labels_does_not_go_on(tmp_path, labels):
    folder = checkpoint(tmp_path, "xlm-roberta", AutoModelForSequenceClassification, id2label=dict(enumerate(LABELS)))
    encoder = load(Source(str(folder)))
    with pytest.raises(StiltsError, match="labels") as error:
        head_of(encoder, "classification", labels, Source(str(folder)))
    one_sentence(error)


@pytest.mark.parametrize("kind", ["qa", "choice"])
def test_a_head_of_another_format_does_not_go_on(folders, kind):
    encoder = load(Source(str(folders["xlm-roberta"])))
    with pytest.raises(StiltsError, match=f"no weights for a {kind} head") as error:
        head_of(encoder, kind, (), Source(str(folders["xlm-roberta"])))
    one_sentence(error)


def test_labels_of_an_earlier_task_do_not_linger(tmp_path):
    folder = checkpoint(tmp_path, "xlm-roberta", AutoModelForSequenceClassification, id2label={0: "same", 1: "other"})
    encoder = load(Source(str(folder)))
    for kind in ("qa", "choice"):
        config = head_of(encoder, kind).model.config
        assert config.id2label == {0: "LABEL_0", 1: "LABEL_1"}
        assert config.problem_type is None
    assert encoder.config.id2label == {0: "same", 1: "other"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mlm"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_head_has_what_the_pretrained_one_has_of_it(folders, family, kind):
    """As in Hugging Face's own from_pretrained, by name; a pooler, which is inside the encoder, is another matter."""
    place = Source(str(folders[family]))
    theirs, report = auto_model(KINDS[kind]).from_pretrained(place.place, output_loading_info=True)
    inside = f"{theirs.base_model_prefix}."
    loaded = {name for name in theirs.state_dict() if not name.startswith(inside)} - set(report["missing_keys"])
    assert loaded == ({"head.dense.weight", "head.norm.weight"} if family == "modernbert" else set())
    heads = []
    for origin in (None, place):
        torch.manual_seed(0)
        heads.append(head_of(load(place, origin=origin), kind).model.state_dict())
    for name, value in heads[1].items():
        if name in loaded:
            assert torch.equal(value, theirs.state_dict()[name])
            assert not torch.equal(value, heads[0][name])
        else:
            assert torch.equal(value, heads[0][name])


def test_a_fresh_head_does_not_have_what_an_earlier_task_learned(folders, tmp_path):
    pretrained = Source(str(folders["modernbert"]))
    folder = checkpoint(tmp_path, "modernbert", AutoModelForSequenceClassification)
    weights = load_file(folder / "model.safetensors")
    save_file({name: value + 1 for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    earlier = Source(str(folder))
    expected = load_file(folders["modernbert"] / "model.safetensors")["head.dense.weight"]
    head = head_of(load(earlier, origin=pretrained), "tagging", LABELS)
    assert torch.equal(head.model.head.dense.weight, expected)
    went_on = head_of(load(earlier, origin=pretrained), "classification", ("LABEL_0", "LABEL_1"), earlier)
    assert torch.equal(went_on.model.head.dense.weight, weights["head.dense.weight"] + 1)


def test_a_pretrained_encoder_without_a_head_gives_a_fresh_one(tmp_path):
    AutoModel.from_config(config_of("modernbert")).save_pretrained(tmp_path)
    place = Source(str(tmp_path))
    heads = []
    for origin in (None, place):
        torch.manual_seed(0)
        heads.append(head_of(load(place, origin=origin), "qa").model.state_dict())
    assert all(torch.equal(value, heads[1][name]) for name, value in heads[0].items())


def test_dropout_is_replaced_everywhere(folders, tmp_path):
    for family in FAMILIES:
        encoder = load(Source(str(folders[family])), dropout=0.3).train()
        rates = {
            module.p for module in encoder.modules() if hasattr(module, "p") and "Dropout" in type(module).__name__
        }
        assert rates == {0.3}, family
    assert config_of("bert").hidden_dropout_prob == 0.0


def test_gradient_checkpointing_gives_the_same_gradients(folders):
    found = []
    for checkpointing in (False, True):
        encoder = load(Source(str(folders["xlm-roberta"])), checkpointing).train()
        features = ragged()
        features.types = None
        encoder(features.take(np.arange(5))).square().sum().backward()
        found.append([w.grad for w in encoder.parameters() if w.grad is not None])
    assert len(found[0]) == len(found[1]) > 10
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-3, rtol=1e-3)


def write_gpt2(folder: Path) -> None:
    config = GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=40)
    GPT2LMHeadModel(config).save_pretrained(folder)


def write_bart(folder: Path) -> None:
    shape = {
        f"{side}_{name}": 1 for side in ("encoder", "decoder") for name in ("layers", "attention_heads", "ffn_dim")
    }
    BartForConditionalGeneration(BartConfig(d_model=16, vocab_size=40, **shape)).save_pretrained(folder)


@pytest.mark.parametrize(("write", "name"), [(write_gpt2, "gpt2"), (write_bart, "bart")])
def test_models_that_are_no_encoders_are_refused(tmp_path, write, name):
    write(tmp_path)
    with pytest.raises(StiltsError, match=f"is a {name} model") as error:
        load(Source(str(tmp_path)))
    one_sentence(error)


def edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


def drop_a_layer(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if ".layer.1." not in name}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def foreign_weights(folder: Path) -> None:
    other = checkpoint(folder / "other", "bert")
    (folder / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())


def damage(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def empty_file(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")


def only_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


DAMAGE = {
    "missing layer": (drop_a_layer, "does not fit"),
    "more layers": (lambda folder: edit(folder, num_hidden_layers=3), "does not fit"),
    "other architecture": (foreign_weights, "does not fit"),
    "other width": (lambda folder: edit(folder, intermediate_size=64), "cannot be loaded|does not fit"),
    "cut file": (damage, "cannot be loaded"),
    "empty file": (empty_file, "cannot be loaded"),
    "only pytorch_model.bin": (only_pickle, "cannot be loaded"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "cannot be loaded"),
    "cut config": (lambda folder: (folder / "config.json").write_text('{"model_'), "cannot be loaded"),
    "nonsense config": (lambda folder: edit(folder, hidden_size="wide"), "cannot be loaded"),
    "unknown type": (lambda folder: edit(folder, model_type="nothing"), "cannot be loaded"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_checkpoint_that_does_not_fit_is_refused_in_a_sentence(tmp_path, what):
    checkpoint(tmp_path, "xlm-roberta")
    spoil, match = DAMAGE[what]
    spoil(tmp_path)
    with pytest.raises(StiltsError, match=match) as error:
        load(Source(str(tmp_path)))
    assert str(tmp_path) in one_sentence(error)


def test_a_task_checkpoint_is_an_encoder_too(tmp_path):
    folder = checkpoint(tmp_path, "xlm-roberta", AutoModelForSequenceClassification)
    weights = load_file(folder / "model.safetensors")
    encoder = load(Source(str(folder)))
    name = "encoder.layer.1.output.dense.weight"
    assert torch.equal(encoder.base.state_dict()[name], weights[f"roberta.{name}"])


def test_half_precision_weights_load_in_single_precision(tmp_path):
    model = AutoModelForMaskedLM.from_config(config_of("xlm-roberta")).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    encoder = load(Source(str(tmp_path)))
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
    assert {weight.dtype for weight in head_of(encoder, "qa").parameters()} == {torch.float32}


def test_an_absent_model_names_the_download(monkeypatch):
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co' to load the files")

    monkeypatch.setattr(AutoConfig, "from_pretrained", fail)
    with pytest.raises(StiltsError, match="hf download some/model") as error:
        load_config(Source("some/model"))
    one_sentence(error)


def test_tokenizers_load_and_mark_words(tmp_path):
    for name, tokenizer in (("unigram", unigram()), ("byte_level", byte_level())):
        tokenizer.save_pretrained(tmp_path / name)
        AutoConfig.for_model("xlm-roberta", vocab_size=len(tokenizer)).save_pretrained(tmp_path / name)
        loaded = load_tokenizer(Source(str(tmp_path / name)))
        for text in ("Nairobi is", "ภาษาไทย 北京"):
            assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    (tmp_path / "nothing").mkdir()
    with pytest.raises(StiltsError, match="cannot be loaded") as error:
        load_tokenizer(Source(str(tmp_path / "nothing")))
    one_sentence(error)


def test_bare_encoder_has_no_pooler_to_save():
    encoder = bare_encoder("bert")
    head = head_of(encoder, "tagging", LABELS)
    assert not any("pooler" in name for name in assemble(encoder, head).state_dict())
