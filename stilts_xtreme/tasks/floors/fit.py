"""Scores that need no model, printed beside every result: what counting, copying and string overlap reach.

Each floor learns at most from the English training rows and is deterministic. Where there are more than
:data:`.common.TRAIN_CAP` usable training rows, that many are taken at equal steps through the file; only the majority
label of classification counts all rows.
"""

from __future__ import annotations

from collections.abc import Sequence

from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks import format_of
from stilts_xtreme.tasks.floors.common import count_rows
from stilts_xtreme.tasks.format import Scorer


def fit(format: str, metric: str, train: Columns, labels: Sequence[str], candidates: Columns | None = None) -> Scorer:
    """Learns the floors of a format from English training rows.

    ==============  ===================================================================================================
    format          floors
    ==============  ===================================================================================================
    classification  ``majority`` (most frequent training label), ``overlap`` (boosted trees on
                    :func:`.overlap_features`), ``bag_of_words`` (logistic regression on the words of both texts, and on
                    those of the second that the first lacks)
    choice          ``chance`` (mean of 1 / number of choices), ``overlap`` (the choice with the largest share of
                    words, then of trigrams, in context and question), ``bag_of_words`` (logistic regression on the
                    words of a choice alone; only with training rows)
    tagging         ``majority`` (the most frequent training tag everywhere), ``lexicon`` (the most frequent tag of the
                    training word, else the majority)
    qa              ``sliding_window`` (:func:`.sliding_window`, spans up to the median training answer in words)
    retrieval       ``tfidf`` (:func:`.nearest`, from English text_b to text_a), ``chance`` (100 / rows)
    bitext          ``tfidf`` (sentences that are each other's nearest by :func:`.nearest`); none where the two corpora
                    have more than :data:`PAIRS_CAP` pairs of sentences
    ranking         ``tfidf`` (:class:`.TfIdf`, from query to text; none where queries and candidates are more than
                    :data:`PAIRS_CAP` pairs), ``chance`` (what candidates in random order score on average)
    ==============  ===================================================================================================

    Args:
        format: The id of the format.
        metric: One of its metrics.
        train: English training rows; ``retrieval``, ``bitext`` and ``ranking`` do not look at them.
        labels: Label names in canonical order; only ``tagging`` needs them.
        candidates: What a ``ranking`` ranks.

    Returns:
        A function of test rows and their language: floor -> headline score in percent. It raises a StiltsError for
        malformed columns, no test rows, or withheld test labels.

    Raises:
        StiltsError: Unknown format or metric, malformed columns, or no training rows where labels are counted.
    """
    own = format_of(format)
    scorer = own.floors(own.metric(metric), train, labels, candidates or {})

    def score(test: Columns, language: str) -> dict[str, float]:
        if not count_rows("test", own.rows, test):
            raise StiltsError("There are 0 test rows to score.")
        return scorer(test, language)

    return score
