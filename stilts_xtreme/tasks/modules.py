"""One file per task format: how rows become features, the LightningModule, and how its output is decoded."""

from __future__ import annotations

from stilts_xtreme.tasks.bitext_mining.module import BitextMiningModule
from stilts_xtreme.tasks.classification.module import ClassificationModule
from stilts_xtreme.tasks.head import HeadModule, HeadOptions
from stilts_xtreme.tasks.multiple_choice.module import MultipleChoiceModule
from stilts_xtreme.tasks.question_answering.module import QuestionAnsweringModule
from stilts_xtreme.tasks.ranking.module import RankingModule
from stilts_xtreme.tasks.retrieval.module import RetrievalModule
from stilts_xtreme.tasks.tagging.module import TaggingModule

HEADS: dict[str, type[HeadModule]] = {
    "classification": ClassificationModule,
    "qa": QuestionAnsweringModule,
    "tagging": TaggingModule,
    "choice": MultipleChoiceModule,
    "retrieval": RetrievalModule,
    "bitext": BitextMiningModule,
    "ranking": RankingModule,
}

__all__ = ["HEADS", "HeadModule", "HeadOptions"]
