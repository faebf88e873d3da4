"""Predicts rows of your own with a trained model.

MODEL is the folder of a cell (outputs/cells/NAME), of a training (outputs/stages/KEY), of a saved model, or a hub id.
FILE has rows in the columns of the model's format: jsonl, json, csv, tsv, parquet, conllu (tagging) or txt (one text a
line). Labels in it are not read. Without a column id, a row is known by its position, counted from 0.

The answer is one JSON object a line, in the order of the rows: "id", "prediction", and what is known of it:

  classification  prediction: the label; probability; probabilities by label
  tagging         prediction: a tag for each word; tokens; probabilities of these tags
  qa              prediction: text of the context, from character start to end; score: the sum of its two logits
  choice          prediction: position of the choice, from 0; choice: its text; probability; probabilities
  retrieval       prediction: the nearest text of --against (its id); text; score: the cosine
  bitext          prediction: a pair of ids, the first of FILE; texts; score: the margin; the best pair first
  ranking         prediction: ids of the candidates of --against, the nearest first; scores: their cosines

It goes to the standard output, or into a file with --output. Progress is shown on the standard error.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from stilts_xtreme.core.command import Parser, command
from stilts_xtreme.core.errors import StiltsError
from stilts_xtreme.core.files import disk_errors, write_atomic
from stilts_xtreme.core.specs import TrainerSpec


def parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "predict",
        str(__doc__),
        [
            "outputs/cells/NAME reviews.csv --column text_a=review --output answers.jsonl",
            "outputs/stages/KEY questions.jsonl --device gpu",
            "outputs/cells/NAME german.txt --format retrieval --against english.txt",
        ],
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="the trained model; needed")
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the rows; needed")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to; default: the standard output")
    parser.add_argument("--against", type=Path, metavar="FILE", help="the texts that answers are found in: candidates "
                        "of a ranking, or sentences to compare with; default: none")  # fmt: skip
    parser.add_argument("--column", action="append", default=[], metavar="COLUMN=NAME", help="what the file calls a "
                        "column, as in text_a=review; may come several times; default: the usual names")  # fmt: skip
    parser.add_argument("--format", metavar="NAME", help="use the encoder for another format: retrieval or bitext; "
                        "default: that of the model's head")  # fmt: skip
    parser.add_argument("--head", metavar="TASK", help="which head of a joint training; default: its only one")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "gpu"), help="default: gpu where there is "
                        "one, else cpu")  # fmt: skip
    parser.add_argument("--batch-tokens", type=int, default=16384, metavar="N", help="tokens in one forward pass; "
                        "answers do not depend on it; lower it when memory is short; default: %(default)s")  # fmt: skip
    parser.add_argument("--max-length", type=int, metavar="N", help="sub-tokens of a sequence at the most; default: as "
                        "in the training")  # fmt: skip
    parser.add_argument("--threshold", type=float, metavar="X", help="bitext: the least margin of a pair; default: all")
    return parser


def _work(options: Namespace) -> None:
    for name in ("model", "file"):
        if getattr(options, name) is None:
            raise StiltsError(f"{name.upper()} is missing; --help shows how.")
    if options.batch_tokens < 2:
        raise StiltsError(f"--batch-tokens {options.batch_tokens} is refused: it must be at least 2.")
    columns = dict(part.partition("=")[::2] for part in options.column)
    if not all(columns.values()):
        raise StiltsError(f"--column {' '.join(options.column)} is refused: write COLUMN=NAME, as in text_a=review.")
    for path in (options.file, options.against):  # before the seconds that torch takes
        if path is not None and not path.exists():
            raise StiltsError(f"{path} does not exist; name a file of rows.")
    if options.output is not None and options.output.is_dir():
        raise StiltsError(f"--output {options.output} is a folder; name a file.")
    from stilts_xtreme.cell.config.machine import gpu_visible
    from stilts_xtreme.cell.trained import find
    from stilts_xtreme.core.progress import say
    from stilts_xtreme.tasks.saved import with_options
    from stilts_xtreme.training.answers import Question, answer

    source, told = find(options.model, options.head, options.format)
    if options.threshold is not None and told.format != "bitext":
        raise StiltsError(f"--threshold is for the format bitext, and the model is of {told.format}.")
    if not told.complete and options.max_length is None:
        say(f"{options.model} does not say how its rows were cut: taking --max-length {told.options.max_length}.")
    told = with_options(told, options.max_length, options.threshold)
    gpu = options.device == "gpu" or (options.device == "auto" and gpu_visible())
    machine = TrainerSpec(
        accelerator="gpu" if gpu else "cpu",
        precision=told.precision if gpu else "32-true",
        micro_batch_tokens=options.batch_tokens // 2,  # of a training, whose gradients take as much again
    )
    records = answer(source, told, Question(options.file, options.against, columns), machine)
    try:
        text = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    except ValueError as error:
        raise StiltsError(f"{options.model} answers with numbers that are none (nan): its training failed.") from error
    if options.output is None:
        sys.stdout.write(text)
        return
    with disk_errors(options.output.parent):
        write_atomic(options.output, text)
    say(f"{options.output}: {len(records):,} predictions")


def main(arguments: Sequence[str] | None = None) -> int:
    """Predicts from the command line."""
    return command(arguments, parser(), _work)


if __name__ == "__main__":
    sys.exit(main())
