"""The tables of finished benchmarks, in Markdown: python -m benchmarks FILE.json..."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.rounds import conditions, table


def main(arguments: list[str] | None = None) -> None:
    """Prints the table of each file, with its command and the machine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="what a benchmark wrote with --output")
    for path in parser.parse_args(arguments).files:
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
            print(f"{table(result)}\n\n{conditions(result)}\n")
        except (OSError, ValueError, KeyError) as error:
            parser.error(f"{path} is no result of a benchmark: {error!r}")


if __name__ == "__main__":
    main()
