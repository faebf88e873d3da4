"""One file per task format: how rows become features, the LightningModule, and how its output is decoded."""

from __future__ import annotations

from stilts_xtreme.heads.base import HeadModule, HeadOptions
from stilts_xtreme.heads.bitext import BitextModule
from stilts_xtreme.heads.choice import ChoiceModule
from stilts_xtreme.heads.classification import ClassificationModule
from stilts_xtreme.heads.qa import QAModule
from stilts_xtreme.heads.ranking import RankingModule
from stilts_xtreme.heads.retrieval import RetrievalModule
from stilts_xtreme.heads.tagging import TaggingModule

HEADS: dict[str, type[HeadModule]] = {
    "classification": ClassificationModule,
    "qa": QAModule,
    "tagging": TaggingModule,
    "choice": ChoiceModule,
    "retrieval": RetrievalModule,
    "bitext": BitextModule,
    "ranking": RankingModule,
}

__all__ = ["HEADS", "HeadModule", "HeadOptions"]
