"""The rows of tagging: the words of a sentence, and a tag for each."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.files import MANY
from stilts_xtreme.tasks.rows import NO_LABEL, Finding, RowFormat

OUTSIDE = "O"
"""The tag of a token that belongs to nothing that is to be found."""


class TaggedRows(RowFormat):
    """Lists of words and of tags."""

    def lacks_text(self, columns: Columns, at: int, mapped: Collection[str]) -> bool:
        """Whether no word has a character."""
        return not any(token.strip() for token in columns["tokens"][at])

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Sentences without tags, with a word without one, with another number of tags, or with an unknown one."""
        none, some, beyond, uneven = [], [], [], []
        for at, (tokens, tags) in enumerate(zip(columns["tokens"], columns["tags"], strict=True)):
            if tokens and all(tag is None or tag == -1 for tag in tags):
                none.append(at)
            elif len(tokens) != len(tags):
                uneven.append(at)
            elif any(tag is None or tag == -1 for tag in tags):
                some.append(at)
            elif any(not 0 <= tag < labels for tag in tags):
                beyond.append(at)
        empty = [at for at, tokens in enumerate(columns["tokens"]) if any(not token.strip() for token in tokens)]
        return columns, [
            Finding("empty token", empty),
            Finding(NO_LABEL, none, drop=True),
            Finding("token without a tag", some, drop=True),
            Finding("label out of range", beyond, drop=True),
            Finding("tokens and tags of different length", uneven, drop=True),
        ]

    def unscorable(self, columns: Columns, labels: Sequence[str], unanswerable: bool) -> str | None:
        """No token has a tag, or all have the same one, as files have it whose tags are withheld."""
        found = {tag for tags in columns["tags"] for tag in tags}
        n = len(columns["tags"])
        if not found - {None, -1}:
            return f"none of its {n} rows has a label"
        only = next(iter(found))
        same = len(found) == 1 and len(labels) > 1 and 0 <= only < len(labels)
        if same and (labels[only] == OUTSIDE or n >= MANY):
            return f"all tokens of its {n} rows have the tag '{labels[only]}'"
        return None

    def passages(self, columns: Columns) -> list[str]:
        """The sentence."""
        return [" ".join(tokens) for tokens in columns["tokens"]]

    def corpus(self, columns: Columns, space: str) -> list[str]:
        """The sentences as running text."""
        return [space.join(tokens) for tokens in columns["tokens"]]


ROWS = TaggedRows(
    name="tagging", columns=("id", "tokens", "tags"), texts=("tokens",), required=("tokens",), lists=("tokens", "tags")
)
