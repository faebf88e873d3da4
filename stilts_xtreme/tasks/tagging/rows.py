"""The rows of tagging: the words of a sentence, and a tag for each."""

from __future__ import annotations

from collections.abc import Collection

from stilts_xtreme.core.schema import Columns
from stilts_xtreme.tasks.rows import NO_LABEL, Finding, RowFormat


class TaggedRows(RowFormat):
    """Lists of words and of tags."""

    def lacks_text(self, columns: Columns, at: int, mapped: Collection[str]) -> bool:
        """Whether no word has a character."""
        return not any(token.strip() for token in columns["tokens"][at])

    def review(self, columns: Columns, labels: int, train: bool) -> tuple[Columns, list[Finding]]:
        """Sentences without tags, with a tag too many or too few, or with one that the data set does not have."""
        none, beyond, uneven = [], [], []
        for at, (tokens, tags) in enumerate(zip(columns["tokens"], columns["tags"], strict=True)):
            if tokens and all(tag is None or tag == -1 for tag in tags):
                none.append(at)
            elif len(tokens) != len(tags):
                uneven.append(at)
            elif any(tag is None or not 0 <= tag < labels for tag in tags):
                beyond.append(at)
        return columns, [
            Finding(NO_LABEL, none, drop=True),
            Finding("label out of range", beyond, drop=True),
            Finding("tokens and tags of different length", uneven, drop=True),
        ]

    def passages(self, columns: Columns) -> list[str]:
        """The sentence."""
        return [" ".join(tokens) for tokens in columns["tokens"]]

    def corpus(self, columns: Columns, space: str) -> list[str]:
        """The sentences as running text."""
        return [space.join(tokens) for tokens in columns["tokens"]]


ROWS = TaggedRows(
    name="tagging", columns=("id", "tokens", "tags"), texts=("tokens",), required=("tokens",), lists=("tokens", "tags")
)
