"""Results in the common format of Every Eval Ever (arXiv 2606.14516), a JSON file for each cell.

The schema is version 0.3.0 of ``eval.schema.json`` in github.com/evaleval/every_eval_ever. Its own package needs
Python 3.12, so the files are written without it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stilts_xtreme import __version__
from stilts_xtreme.core.files import write_atomic
from stilts_xtreme.core.json_text import read_json
from stilts_xtreme.report.labels import labels, meaningless
from stilts_xtreme.report.page.lineage import command
from stilts_xtreme.report.results import FinishedCell

SCHEMA = "0.3.0"
FOLDER = "every_eval_ever"
UNKNOWN = "not given"


def documents(cells: Sequence[FinishedCell], organization: str = UNKNOWN) -> dict[str, dict[str, Any]]:
    """Name of a cell -> its document.

    Args:
        cells: The cells; those without a target have no scores and are passed over.
        organization: Who ran them.
    """
    cells = [cell for cell in cells if cell.result["target"]]
    named = labels([cell.result for cell in cells])
    return {
        str(cell.result["cell"]): _document(cell, f"{label.encoder}, {label.before}, {label.column}", organization)
        for cell, label in zip(cells, named, strict=True)
    }


def _document(cell: FinishedCell, called: str, organization: str) -> dict[str, Any]:
    result, config = cell.result, _config(cell)
    created = os.environ.get("SOURCE_DATE_EPOCH") or f"{time.time():.0f}"
    model = {
        "base_model": (config.get("model") or {}).get("id") or result["model"],
        "intermediate_tasks": ", ".join(result["intermediate"]) or "none",
        "target_task": result["target"],
        "seed": str(result["seed"]),
        "recipe": str(result.get("recipe")),
        "source_language": str(result.get("source_language")),
        "deployment_type": "self_deployed",
        "model_availability": "unknown",
    }
    told = {"synthetic": str(bool(result["synthetic"])).lower()}
    if result.get("translate_test"):
        told["translate_test"] = f"the test rows were read in translation ({result['translate_test']})"
    if meaningless(result):
        told["collapsed"] = "a training collapsed or found nothing: the scores mean nothing"
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{result['target']}/local_{result['cell']}/{created}",
        "retrieved_timestamp": created,
        "source_metadata": {
            "source_name": "stilts_xtreme",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": "first_party",
        },
        "eval_library": {"name": "stilts_xtreme", "version": __version__},
        "model_info": {
            "name": f"{called}, seed {result['seed']}",
            "id": f"local/{result['cell']}",
            "additional_details": model,
        },
        "evaluation_results": [
            {
                "evaluation_result_id": f"{result['cell']}/{row['language']}/{row['metric']}",
                "evaluation_name": f"{result['target']} ({row['language']})",
                "source_data": _source(result, config),
                "metric_config": {
                    "metric_id": row["metric"],
                    "metric_name": row["metric"],
                    "metric_unit": "percent",
                    "lower_is_better": False,
                    "score_type": "continuous",
                    "min_score": 0,
                    "max_score": 100,
                },
                "score_details": {
                    "score": row["value"],
                    "details": {"language": row["language"], **told},
                    **({"uncertainty": {"num_samples": row["n"]}} if isinstance(row.get("n"), int) else {}),
                },
                "generation_config": {"generation_args": {"execution_command": command(result)}},
            }
            for row in result["rows"]
        ],
    }


def _config(cell: FinishedCell) -> dict[str, Any]:
    path = cell.folder / "config.json" if cell.folder else None
    return dict(read_json(path)) if path is not None and path.is_file() else {}


def _source(result: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Where the test rows came from."""
    name = str((config.get("target") or {}).get("test") or result["target"])
    dataset = (config.get("dataset") or {}).get(name) or {}
    if result.get("data") == "hub" and dataset.get("id"):
        return {"dataset_name": name, "source_type": "hf_dataset", "hf_repo": str(dataset["id"]), "hf_split": "test"}
    return {"dataset_name": name, "source_type": "other", "additional_details": {"kind": str(result.get("data"))}}


def write(cells: Sequence[FinishedCell], folder: Path, organization: str = UNKNOWN) -> int:
    """Writes a file for each cell.

    Args:
        cells: The cells.
        folder: Made if it is not there.
        organization: Who ran them.

    Returns:
        How many files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = documents(cells, organization)
    for name, document in found.items():
        write_atomic(folder / f"{name}.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return len(found)
