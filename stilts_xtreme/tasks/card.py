"""The card of a saved model: what Hugging Face's hub reads of it, and what people do.

A card is a file of its stage, so it has nothing of the moment or the machine: no time, no path, no name of a host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from stilts_xtreme.core.schema import DatasetSpec
from stilts_xtreme.core.specs import Recipe
from stilts_xtreme.core.versions import versions
from stilts_xtreme.tasks import format_of

UNKNOWN = "unknown"
"""Of a licence that nobody has written down; the hub knows the word."""

OURS = "apache-2.0"
"""The licence of the encoders that this package makes of its own synthetic text, which is its own."""

_TWO_LETTERS = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en "
    "eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv "
    "ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne "
    "ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st "
    "su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
)
ISO_639_1 = frozenset(re.findall("[a-z]{2}", _TWO_LETTERS))
"""Codes of languages with two letters."""

METRICS = {
    "accuracy": "accuracy",
    "token_accuracy": "accuracy",
    "chunk_f1": "f1",
    "pos_f1": "f1",
    "squad": "squad",
    "squad_v2": "squad_v2",
    "mlqa": "squad",
    "bitext_f1": "f1",
    "retrieval_accuracy": "accuracy",
}
"""Metric -> the hub's word for it, where that is another one."""


@dataclass(frozen=True)
class Learnt:
    """What one head learnt from.

    Attributes:
        metric: The name of its metric.
        datasets: The data sets of its training rows.
        recipe: How it was trained.
        rows: Training rows.
        dev: Its score on dev rows, in percent; None: it has none.
    """

    metric: str
    datasets: tuple[DatasetSpec, ...]
    recipe: Recipe
    rows: int
    dev: float | None = None


@dataclass(frozen=True)
class About:
    """What a training was.

    Attributes:
        languages: Codes of the languages of the training rows.
        base: The hub's id of the encoder that it began with; None: it has none.
        licence: That of the encoder, as the hub calls it.
        seed: The seed.
        precision: As Lightning names it.
        command: A command line that makes it.
        heads: Task -> what its head learnt from.
    """

    languages: tuple[str, ...] = ()
    base: str | None = None
    licence: str = UNKNOWN
    seed: int | None = None
    precision: str = "32-true"
    command: str = ""
    heads: Mapping[str, Learnt] = field(default_factory=dict)


def languages_of(codes: Sequence[str]) -> list[str]:
    """The codes that the hub takes: two letters of ISO 639-1, three of ISO 639-3; not those for private use.

    What stands behind a hyphen, such as a script, is left out.
    """
    bare = dict.fromkeys(code.partition("-")[0].partition("_")[0].lower() for code in codes)
    private = re.compile(r"q[a-t][a-z]")
    return [one for one in bare if one in ISO_639_1 or (re.fullmatch("[a-z]{3}", one) and not private.fullmatch(one))]


def result(
    format: str,
    dataset: DatasetSpec,
    metric: str,
    value: float,
    split: str,
    language: str = "",
    synthetic: bool = False,
) -> EvalResult:
    """A score as the hub's leaderboards read it.

    Args:
        format: The id of the format.
        dataset: The data set of the rows.
        metric: The name of its metric.
        value: In percent.
        split: ``validation`` or ``test``.
        language: Of the rows.
        synthetic: Whether the rows were generated: then it is no score on the data set of that name.
    """
    named = not synthetic and not dataset.files and re.fullmatch(r"[\w.-]+/[\w.-]+", dataset.id or "") is not None
    own = f"{dataset.name}, synthetic" if synthetic else dataset.name
    return EvalResult(
        task_type=format_of(format).hub_tag or format,
        dataset_type=str(dataset.id) if named else own,
        dataset_name=f"{own} ({language})" if language else own,
        dataset_config=language or None,
        dataset_split=split,
        metric_type=METRICS.get(metric, metric),
        metric_name=metric,
        metric_value=round(value, 4),
    )


def card(
    name: str, format: str, labels: Sequence[str], model_type: str, lineage: Sequence[Mapping[str, Any]], about: About,
    max_length: int, vectors: bool,
) -> str:  # fmt: skip
    """The text of a card, with the hub's metadata at its head.

    Args:
        name: The name of the head.
        format: The id of its format.
        labels: Its label names.
        model_type: The architecture, as transformers names it.
        lineage: What the encoder went through.
        about: What the training was.
        max_length: Sub-tokens of a sequence at the most.
        vectors: Whether the model has no head, and texts are compared by their vectors.
    """
    learnt = about.heads.get(name)
    synthetic = any(step.get("synthetic") for step in lineage)
    sections = [
        f"# {name} ({model_type})",
        f"A {format} model for cross-lingual transfer, trained with stilts_xtreme {versions()['stilts-xtreme']}.",
        "**Trained on synthetic data: a rehearsal, of no use on real text.**" if synthetic else "",
        "## What it went through",
        "\n".join(f"{at}. {step['what']}" for at, step in enumerate(lineage, 1)),
        f"Labels: {', '.join(map(as_cell, labels)) or 'none'}. Sequences of up to {max_length} tokens.",
        "A text's vector is the last hidden state of its first token; vectors are compared by their cosine."
        if vectors
        else "",
        "## How to use it",
        _use(format),
        *(_trained(learnt, about, synthetic) if learnt is not None else ()),
        "## What it is for, and what not",
        _limits(synthetic, learnt is not None),
        "## Licence",
        _licences(about, learnt, synthetic),
    ]
    return (
        f"---\n{_metadata(name, format, learnt, about, synthetic)}\n---\n\n"
        + "\n\n".join(filter(None, sections))
        + "\n"
    )


def _metadata(name: str, format: str, learnt: Learnt | None, about: About, synthetic: bool) -> str:
    specs = learnt.datasets if learnt is not None and not synthetic else ()
    ids = [str(spec.id) for spec in specs if spec.id and not spec.files]
    results = []
    if learnt is not None and learnt.dev is not None:
        results = [result(format, learnt.datasets[0], learnt.metric, learnt.dev, "validation", "", synthetic)]
    data = ModelCardData(
        language=languages_of(about.languages) or None,
        license=about.licence,
        library_name="transformers",
        pipeline_tag=format_of(format).hub_tag,
        base_model=about.base,
        datasets=ids or None,
        metrics=[METRICS.get(learnt.metric, learnt.metric)] if learnt is not None else None,
        tags=["stilts_xtreme", "cross-lingual-transfer", *(["synthetic"] if synthetic else [])],
        model_name=name if results else None,
        eval_results=results or None,
    )
    return data.to_yaml().strip()


def _use(format: str) -> str:
    own = format_of(format)
    if own.pipeline:
        use = f'from transformers import pipeline\n\nmodel = pipeline("{own.pipeline}", model="PATH OF THIS FOLDER")'
    else:
        kind = own.head.auto_model if own.head is not None else "AutoModel"
        use = f'from transformers import {kind}\n\nmodel = {kind}.from_pretrained("PATH OF THIS FOLDER")'
    code = f"```python\n{use}\n```"
    if not own.metrics:  # nothing is predicted with it
        return code
    more = " --against TEXTS" if own.pairs else ""
    return f"{code}\n\nFor rows of your own:\n\n```\npython -m stilts_xtreme.predict FOLDER FILE{more}\n```"


def _trained(learnt: Learnt, about: About, synthetic: bool) -> list[str]:
    where = {spec.name: "generated" if synthetic else spec.id or "own files" for spec in learnt.datasets}
    terms = {spec.name: "none needed" if synthetic else spec.licence or UNKNOWN for spec in learnt.datasets}
    rows = "\n".join(
        f"| {as_cell(name)} | {as_cell(place)} | {as_cell(terms[name])} |" for name, place in where.items()
    )
    recipe = "\n".join(
        f"| {field} | {as_cell('null' if value is None else value)} |" for field, value in asdict(learnt.recipe).items()
    )
    spoken = ", ".join(about.languages) or UNKNOWN
    dev = "None: there were no dev rows." if learnt.dev is None else f"{learnt.metric} {learnt.dev:.2f} on dev rows."
    return [
        "## Training data",
        f"{learnt.rows:,} rows; languages: {spoken}.\n\n| data set | from | licence |\n|---|---|---|\n{rows}",
        "## Scores",
        f"{dev} Scores on test rows are in the folder of each cell that used it (model_card.md).",
        "## Recipe",
        f"Seed {about.seed}, precision {about.precision}.\n\n| option | value |\n|---|---|\n{recipe}",
        f"A command that makes it, with the values above:\n\n```\n{about.command}\n```" if about.command else "",
    ]


def as_cell(value: object) -> str:
    """A value as the cell of a table in Markdown: on one line, and without meaning for Markdown."""
    return re.sub(r"([|\\`*<>\[\]])", r"\\\1", " ".join(str(value).split()))


def _limits(synthetic: bool, trained: bool) -> str:
    if synthetic:
        return "It is for trying the program. Its languages do not exist."
    use = "It is for research on transfer between languages."
    if trained:
        use += " It learnt the task in the languages above only; in others its answers can be much worse."
    bias = "Texts of the web, which encoders learn from, have prejudices, and so can its answers."
    return f"{use} {bias} Test it before you rely on it."


def _licences(about: About, learnt: Learnt | None, synthetic: bool) -> str:
    base = f"Licence of the pretrained encoder: {about.licence}."
    if learnt is None or synthetic:
        return base
    return f"{base} Those of the training data stand above. Whoever publishes these weights has to respect them all."
