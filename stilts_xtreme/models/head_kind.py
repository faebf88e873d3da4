"""Which of Hugging Face's heads a task has. Free of torch, so that a format can say it; :mod:`.hf_heads` makes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeadKind:
    """The head of an ``AutoModelFor...``.

    Attributes:
        name: What it is called in errors.
        auto_model: The class in ``transformers``.
        names_labels: Whether its configuration names the labels, one for each logit; else it has as many logits as the
            class gives it.
        problem_type: Which loss Hugging Face's class computes with such a head, where it knows several.
        grouped: Whether the class takes its sequences in groups, as multiple choice does.
        pretraining: Whether it is the head that encoders are pretrained with: its output matrix is the input embedding.
    """

    name: str
    auto_model: str
    names_labels: bool = False
    problem_type: str | None = None
    grouped: bool = False
    pretraining: bool = False

    @property
    def of_sequences(self) -> bool:
        """Whether it has one output for a sequence, not one for each token."""
        return self.auto_model in ("AutoModelForSequenceClassification", "AutoModelForMultipleChoice")


MASKED_LM = HeadKind("mlm", "AutoModelForMaskedLM", pretraining=True)
"""The head that encoders are pretrained with."""
