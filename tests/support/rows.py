"""Raw rows written as the hub, the releases and treebanks have them."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from datasets import ClassLabel, Dataset, Features, List, Value

TEXT, INT = Value("string"), Value("int32")
NLI = ["entailment", "neutral", "contradiction"]


ANSWERS = {"text": List(TEXT), "answer_start": List(INT)}


def write(root: Path, repo: str, config: str, split: str, columns: dict, features: dict | None, **where: str) -> Path:
    """Writes a parquet file in the hub's types and names it in the README, as the hub does."""
    folder = root / repo
    path = folder / where.get("path", f"{config}/{split}-00000-of-00001.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(columns, features=Features(features) if features else None).to_parquet(path)
    readme = folder / "README.md"
    head = yaml.safe_load(readme.read_text().split("---")[1]) if readme.exists() else {"configs": []}
    entry = next((e for e in head["configs"] if e["config_name"] == config), None)
    if entry is None:
        entry = {"config_name": config, "data_files": []}
        head["configs"].append(entry)
    entry["data_files"].append({"split": split, "path": str(path.relative_to(folder))})
    readme.write_text(f"---\n{yaml.safe_dump(head)}---\n# A data set\n")
    return path


def pairs(n: int = 3, labels: list | None = None, names: list | None = None) -> tuple[dict, dict]:
    columns = {"premise": [f"p{i}" for i in range(n)], "hypothesis": [f"h{i}" for i in range(n)]}
    columns["label"] = labels or [0, 1, 2][:n]
    return columns, {"premise": TEXT, "hypothesis": TEXT, "label": ClassLabel(names=names or NLI)}


def qa(ids: list[str], contexts: list[str], texts: list[list[str]], starts: list[list[int]]) -> tuple[dict, dict]:
    answers = [{"text": t, "answer_start": s} for t, s in zip(texts, starts, strict=True)]
    columns = {"id": ids, "context": contexts, "question": [f"q{i}" for i in ids], "answers": answers}
    return columns, {"id": TEXT, "context": TEXT, "question": TEXT, "answers": ANSWERS}


def line(number: str, form: str, tag: str = "_", head: str = "_") -> str:
    return "\t".join([number, form, "_", tag, "_", "_", head, "_", "_", "_"])


ZUM = "\n".join(
    [
        "# text = Er ging zum Haus",
        line("1", "Er", "PRON", "2"),
        line("2", "ging", "VERB", "0"),
        line("3-4", "zum"),
        line("3", "zu", "ADP", "5"),
        line("4", "dem", "DET", "5"),
        line("5", "Haus", "NOUN", "2"),
        line("5.1", "ging", "VERB"),
        "",
    ]
)


def tsv(*rows: str) -> str:
    return "".join("\t".join(row.split("|")) + "\n" for row in rows)


def squad(*questions: tuple[str, str, str, str]) -> str:
    paragraphs = [
        {
            "context": context,
            "qas": [{"id": key, "question": question, "answers": [{"text": text, "answer_start": context.find(text)}]}],
        }
        for key, context, question, text in questions
    ]
    return json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}, ensure_ascii=False)
