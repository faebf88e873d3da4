"""How a head is run over a batch: on hidden states that the encoder gives, or together with its encoder.

The first way leaves padding out and computes of the last layer what the head looks at. It is right where the head looks
at hidden states alone. Some heads look at more: at what the encoder pools in a way of its own, at the attention mask,
at special tokens. They are run as Hugging Face runs them, as one model on padded sequences. Which way is right is
not read from a list of architectures but found out by trying both on two short rows, before anything is trained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.models.batch import Batch
from stilts_xtreme.models.encoder import Encoder, tokens_of
from stilts_xtreme.models.hf_heads import HeadModel, assemble

log = logging.getLogger(__name__)

OUTPUTS = ("logits", "start_logits", "end_logits")
"""What Hugging Face's models call what a head gives."""
ROUNDING = 300
"""Differences up to so many times the precision of the weights, relative to the largest value, are rounding."""
PADDED = 1e-3
"""A row's numbers may change so much by padding, relative to the largest one. Where they depend on it, it is many times
that; rounding is far below."""
LENGTHS = (16, 7)
"""Tokens of the rows that are tried."""

Outputs = dict[str, torch.Tensor]


def of_sequences(encoder: Encoder, head: HeadModel, batch: Batch) -> torch.Tensor:
    """Logits [S, labels] of every sequence; for multiple choice [S, 1]."""
    if head.whole:
        return _whole(encoder, head, batch)["logits"]
    return head(encoder.first_tokens(batch)[:, None]).logits


def of_tokens(encoder: Encoder, head: HeadModel, batch: Batch, wanted: torch.Tensor | None = None) -> Outputs:
    """What the head gives for the tokens at ``wanted`` [N], for all of them [T] if it is None; by Hugging Face's name.

    ``logits`` are [N, labels], ``start_logits`` and ``end_logits`` are [N].
    """
    if head.whole:
        found = _whole(encoder, head, batch)
        return found if wanted is None else {name: value.index_select(0, wanted) for name, value in found.items()}
    hidden = encoder(batch) if wanted is None else encoder.tokens(batch, wanted)
    output = head(hidden[None])
    return {name: output[name][0] for name in OUTPUTS if output.get(name) is not None}


def _whole(encoder: Encoder, head: HeadModel, batch: Batch) -> Outputs:
    """The head and its encoder as one model of Hugging Face's, on padded sequences."""
    inputs, places = encoder.padded(batch)
    if head.kind.grouped:  # the sequences of the batch are the choices of one example, each with a logit of its own
        output = assemble(encoder, head)(**{name: value[None] for name, value in inputs.items()}, return_dict=True)
        return {"logits": output.logits.reshape(-1, 1)}
    output = assemble(encoder, head)(**inputs, return_dict=True)
    found = {name: output[name] for name in OUTPUTS if output.get(name) is not None}
    return found if head.kind.of_sequences else {name: tokens_of(value, places) for name, value in found.items()}


def settle(encoder: Encoder, head: HeadModel) -> None:
    """Decides how a head is run, by two rows of different lengths.

    Raises:
        StiltsError: When Hugging Face's model cannot be run on rows of tokens, gives something else than such a head
            does, or gives other numbers for a row when it is padded.
    """
    what = f"The {head.kind.name} head of the encoder {named(encoder)}"
    rows = [_row(encoder, length) for length in LENGTHS]
    with _trying(encoder, head):
        head.whole = True
        expected = _tried(what, lambda: _outputs(encoder, head, _batch(encoder, rows)))
        alone = _tried(what, lambda: _outputs(encoder, head, _batch(encoder, rows[1:])))
        wanted = len(rows) if head.kind.of_sequences else sum(LENGTHS)
        if not expected or any(len(value) != wanted for value in expected.values()):
            of = "rows" if head.kind.of_sequences else "tokens"
            raise StiltsError(f"{what} does not give one output for each of {wanted} {of}.")
        padded = {name: value[-len(alone[name]) :] for name, value in expected.items()}
        _refuse_padding(what, padded, alone)
        head.whole = False
        try:
            found = _outputs(encoder, head, _batch(encoder, rows))
        except Exception as error:
            log.debug("%s takes more than hidden states: %s", what, error)
            found = {}
        head.whole = found.keys() != expected.keys() or not _equal(found, expected)
        if isinstance(encoder.base.get_input_embeddings(), nn.Embedding):  # else it is cut to the rows of a training
            _tried(what, lambda: _training(encoder, head, _batch(encoder, rows)), "trained")
    if head.whole:
        log.info("%s is run together with its encoder, on padded batches", what)


def settle_encoder(encoder: Encoder, layers: bool = False) -> None:
    """Compares hidden states of two rows with those of Hugging Face's model.

    Args:
        encoder: The encoder.
        layers: Whether every layer of ``hidden_states`` is used, not the last one alone.

    Raises:
        StiltsError: When they differ by more than rounding, or are not one for each token and layer.
    """
    what = f"The encoder {named(encoder)}"
    rows = [_row(encoder, length) for length in LENGTHS]
    both, last = _batch(encoder, rows), _batch(encoder, rows[1:])
    with _trying(encoder, encoder):
        expected = _tried(what, lambda: _plain(encoder, both, layers))
        alone = _tried(what, lambda: _plain(encoder, last, layers))
        depth = encoder.config.num_hidden_layers + 1
        if layers and (len(expected) != depth or any(len(value) != sum(LENGTHS) for value in expected.values())):
            raise StiltsError(f"{what} has no hidden_states of every token for each of its {depth - 1} layers.")
        _refuse_padding(what, {name: value[-LENGTHS[1] :] for name, value in expected.items()}, alone)
        if layers:
            found = {str(at): value for at, value in enumerate(encoder.layers(both))}
        else:
            expected = {"last": expected["last"][both.firsts()]}
            found = {"last": encoder.first_tokens(both)}
        if not _equal(found, expected):
            raise StiltsError(
                f"{what}: its hidden states without padding differ from Hugging Face's by {_gap(found, expected):.1e}; "
                "give trainer.packing=false."
            )


def named(encoder: Encoder) -> str:
    """An encoder with its type, for a sentence."""
    return f"{encoder.place} ({encoder.config.model_type})"


def _plain(encoder: Encoder, batch: Batch, layers: bool) -> Outputs:
    inputs, places = encoder.padded(batch)
    output = encoder.base(**inputs, output_hidden_states=layers, return_dict=True)
    if not layers:
        return {"last": tokens_of(output.last_hidden_state, places)}
    return {str(at): tokens_of(hidden, places) for at, hidden in enumerate(output.hidden_states)}


def _outputs(encoder: Encoder, head: HeadModel, batch: Batch) -> Outputs:
    if head.kind.of_sequences:
        return {"logits": of_sequences(encoder, head, batch)}
    return of_tokens(encoder, head, batch)


def _training(encoder: Encoder, head: HeadModel, batch: Batch) -> Outputs:
    """The outputs in training, which some architectures refuse for rows of any length; modes are set back by others."""
    for module in (encoder, head):
        module.train()
    return _outputs(encoder, head, batch)


def _tried(what: str, run: Callable[[], Outputs], how: str = "run") -> Outputs:
    try:
        return run()
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise StiltsError(
            f"{what} cannot be {how} on rows of tokens alone; transformers says: {type(error).__name__}: {text}"
        ) from error


def _refuse_padding(what: str, padded: Outputs, alone: Outputs) -> None:
    if not all(bool(torch.isfinite(value).all()) for value in alone.values()):
        raise StiltsError(f"{what} gives numbers that are not finite; its weights are damaged.")
    if any(padded[name].shape != value.shape for name, value in alone.items()) or not _gap(padded, alone) < PADDED:
        raise StiltsError(
            f"{what} gives a row other numbers when it is padded (they differ by {_gap(padded, alone):.1e}), so that "
            "its scores would depend on which rows are batched together; take another encoder."
        )


def _equal(one: Outputs, other: Outputs) -> bool:
    for name, value in other.items():
        if one[name].shape != value.shape or not torch.isfinite(value).all():
            return False
        bound = ROUNDING * torch.finfo(value.dtype).eps * float(value.abs().max())
        if float((one[name] - value).abs().max()) > bound:
            return False
    return True


def _gap(one: Outputs, other: Outputs) -> float:
    """The largest difference, as a share of the largest value."""
    return max(float((one[name] - value).abs().max() / value.abs().max()) for name, value in other.items())


@contextmanager
def _trying(*modules: nn.Module) -> Iterator[None]:
    """Without dropout and gradients; random numbers and modes stay as they were."""
    modes = [(module, module.training) for some in modules for module in some.modules()]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        for module, _ in modes:
            module.training = False
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode


def _row(encoder: Encoder, length: int) -> list[int]:
    """A pair of texts as RoBERTa writes it, with ids that are no special tokens elsewhere."""
    config = encoder.config
    first = _id(config, "cls_token_id", "bos_token_id")
    end = _id(config, "sep_token_id", "eos_token_id")
    rows = int(config.vocab_size)
    words = [rows // 3 + (7 * at) % max(1, rows // 2) for at in range(length)]
    return [first, *words[1:3], end, end, *words[5:-1], end]


def _id(config: Any, *names: str) -> int:
    found = [getattr(config, name, None) for name in names]
    return next((value for value in found if isinstance(value, int) and value >= 0), 0)


def _batch(encoder: Encoder, rows: list[list[int]]) -> Batch:
    device = encoder.base.device
    types = None
    if getattr(encoder.config, "type_vocab_size", 0) > 1:
        types = torch.tensor([int(at > 4) for row in rows for at in range(len(row))], device=device)
    return Batch(
        torch.tensor([token for row in rows for token in row], device=device),
        torch.tensor([len(row) for row in rows]),
        torch.ones(len(rows), dtype=torch.int64),
        types,
    )
