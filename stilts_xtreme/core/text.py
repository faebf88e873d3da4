"""Text that others chose (names, labels, paths, messages) as data: no character in it is a command to its reader.

Every writer takes its escape from here: terminals and logs :func:`visible`, Markdown :func:`markdown`, CSV
:func:`csv_table`, pictures of matplotlib :func:`picture`, LaTeX :func:`latex`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

HIDDEN = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF, *range(0xE0000, 0xE0080))))
"""Characters that turn the direction of the text around them, and others that nobody sees."""
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a cell begins that a spreadsheet may take for a formula (OWASP, CSV Injection), our apostrophes before it."""
FIRST = re.compile(r"^(\s*)(?:(\d{1,9})(?=[.)](?:\s|$))|(?=#{1,6}(?:\s|$)|>|[-+](?:\s|$)|(?:[-=]\s*)+$))")
"""Before what makes a heading, a quotation, a list or a line of the first characters of a paragraph in Markdown."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)

LATEX = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}"},
    **{"†": r"$\dagger$", "‡": r"$\ddagger$", "−": "$-$", "→": r"$\rightarrow$", "`": r"\textasciigrave{}"},
}
"""Character -> what LaTeX prints it from; all others stand for themselves."""


def option_value(value: object) -> str:
    """The value of an option as a command line has it: ``null``, ``true``, ``[de,fr]``."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(option_value, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def visible(text: object, lines: bool = False) -> str:
    r"""A text for a terminal or a log: control characters are written as escapes, such as ``\x1b`` and ``\n``.

    Args:
        text: Anything; its ``str`` is taken.
        lines: Line breaks stay.
    """
    plain = str(text)
    if plain.isprintable():
        return plain
    return "".join(
        char.encode("unicode_escape").decode() if _hidden(char) and not (lines and char == "\n") else char
        for char in plain
    )


def _hidden(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in HIDDEN


def markdown(text: object) -> str:
    """A text for a paragraph or a cell of a table in Markdown (CommonMark, GitHub's), which shows it as it is.

    What marks nothing stays, as it is easier to read: an underscore inside of a word, as in ``squad_v1``, and the list
    of an option, as in ``languages=[de,sw]``.
    """
    signs = r"[\\`*<|~$]|(?<!=)\[|\[(?![\w,]*\](?![(\[:]))|&(?=#|\w+;)|(?<![^\W_])_|_(?![^\W_])"
    found = re.sub(signs, r"\\\g<0>", visible(text))
    return re.sub(FIRST, lambda match: f"{match[1]}{match[2] or ''}\\", found)


def markdown_table(titles: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    """The lines of a table in Markdown, every cell as it is."""
    first, *others = (f"| {' | '.join(map(markdown, line))} |" for line in (titles, *rows))
    return [first, "|" + " --- |" * len(titles), *others]


def csv_text(value: object) -> object:
    """A cell of CSV: a text that a spreadsheet would take for a formula gets an apostrophe in front.

    Numbers, and texts that are numbers, stay. :func:`csv_plain` takes the apostrophe away.
    """
    if isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def csv_plain(text: str) -> str:
    """The text of a cell that :func:`csv_text` wrote."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def csv_table(fields: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as CSV, a line each below the names of the columns.

    Args:
        fields: The columns, in their order.
        rows: Values by column; None is an empty cell.
    """
    lines: list[list[object]] = [list(fields), *([row.get(field) for field in fields] for row in rows)]
    return "".join(",".join(map(_csv_cell, line)) + "\n" for line in lines)


def _csv_cell(value: object) -> str:
    text = "" if value is None else str(csv_text(value))
    # a semicolon or a tab parts cells where a spreadsheet expects them to
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",;\s]|^$', text) and value is not None else text


def without_password(text: str) -> str:
    """A text in which the passwords of addresses, as in ``http://user:password@host``, are three dots."""
    return re.sub(r"(://[^\s/:@]*):[^\s/]*@", r"\1:...@", text)


PICTURED = 60
"""So many characters of a name stand beside a picture; a longer one would leave no room for the picture."""


def picture(text: object) -> str:
    """A text in a picture of matplotlib, where a pair of dollar signs would begin a formula."""
    return visible(text).replace("$", "\\$")


def picture_name(text: object) -> str:
    """A name at an axis of a picture, cut where it is long."""
    shown = visible(text)
    return picture(shown if len(shown) <= PICTURED else shown[: PICTURED - 1] + "…")


def latex(text: object) -> str:
    """A text in LaTeX, which prints it as it is. Letters of other scripts need XeLaTeX or LuaLaTeX."""
    return "".join(LATEX.get(char, char) for char in visible(text))
