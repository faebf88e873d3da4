"""The checked option of translate-test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stilts_xtreme.core.checks import check
from stilts_xtreme.core.paths import home
from stilts_xtreme.core.shots import Shots
from stilts_xtreme.core.specs import Target
from stilts_xtreme.data.translated_tests import OPTION


def check_translate_test(evaluation: Mapping[str, Any], target: Target | None, shots: Shots | None) -> None:
    """Refuses translated test rows where they have no meaning; whether the folder has them, the plan asks.

    Args:
        evaluation: The options of the evaluation.
        target: The target.
        shots: Rows of each language that the model is trained on.

    Raises:
        StiltsError: It is no folder's name, there are no test rows, or rows of the language itself are used besides.
    """
    folder = evaluation["translate_test"]
    if folder is None:
        return
    check(isinstance(folder, str) and bool(folder), OPTION, folder, "take the folder of the translations, or null")
    home(folder)
    check(target is not None, OPTION, folder, "there are no test rows without a target; add +target= or leave it out")
    few = "shots teach a language that the model then does not read, because its test rows are in translation"
    check(shots is None, OPTION, folder, f"{few}; leave one of the two out")
    own = "its rule oracle chooses weights on dev rows of each language, which are not translated"
    check("oracle" not in evaluation["rules"], OPTION, folder, f"{own}; leave the oracle out of evaluation.rules")
