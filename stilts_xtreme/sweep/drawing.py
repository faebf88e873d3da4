"""A sweep as a picture: above who was in which slot when, below its stages as a tree, the critical path in red.

Written as SVG by hand: text stays text, and every stage says more under the pointer.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from stilts_xtreme.core.progress import duration
from stilts_xtreme.core.text import visible
from stilts_xtreme.report.sweeps.state import State
from stilts_xtreme.sweep.trace import Span

FILL = {
    "pretrain": "#b9a5d6",
    "train": "#8fb8de",
    "select": "#d9b8c4",
    "merge": "#c9b38f",
    "evaluate": "#a9d3a6",
    "floors": "#e3cf9b",
    "cell": "#c9c9c9",
}
WORDS = {
    "pretrain": "pretraining",
    "train": "training",
    "select": "selection",
    "merge": "merging",
    "evaluate": "evaluation",
    "floors": "floors",
    "cell": "cell",
}
RED, INK, PALE, LINE = "#c8402f", "#333333", "#8a8a8a", "#c4c8cc"
WIDTH, MARGIN = 1120, 24
BOX, GAP, ROW = 164, 26, 19
"""Width of a stage's box, of the space between columns, and height of a row, in pixels."""
SLOT = 24
CHARACTER = 6.4
"""Width of a character of 11 pixels in the widest of the usual fonts, on average."""
BLOCK_ROWS = 40
"""A tree with more rows stands in several blocks side by side, if they fit."""


def short(label: str, room: int) -> str:
    """The last part of a label, which says what is new in it; many tasks as their number."""
    text = label.rpartition(" > ")[2]
    if text.count("+") > 2:
        text = f"{text.count('+') + 1} tasks"
    return text if len(text) <= room else text[: room - 1] + "…"


class Drawing:
    """Draws a sweep.

    Args:
        state: How it stands.
        spans: Times in slots of its last launch (:func:`.trace.spans`).
    """

    def __init__(self, state: State, spans: Sequence[Span]):
        self.state, self.spans = state, spans
        self.nodes = {id_: node for id_, node in state.nodes.items() if node["kind"] != "cell"}
        self.seconds = {id_: float(state.info[id_].get("seconds", node["seconds"])) for id_, node in self.nodes.items()}
        self.children: dict[str, list[str]] = {
            id_: [child for child in state.children[id_] if child in self.nodes] for id_ in self.nodes
        }
        self.critical = self._critical()
        self.parts: list[str] = []
        self.block: dict[str, int] = {}  # of the tree, where it is drawn in several
        self.columns = 1

    def _critical(self) -> list[str]:
        """The chain of stages that takes longest, whether done or not."""
        tail: dict[str, float] = {}
        for id_ in reversed(self.nodes):
            tail[id_] = self.seconds[id_] + max((tail[child] for child in self.children[id_]), default=0.0)
        path: list[str] = []
        open_ = [id_ for id_, node in self.nodes.items() if not node["parents"]]
        while open_:
            path.append(max(open_, key=tail.__getitem__))
            open_ = self.children[path[-1]]
        return path

    def svg(self) -> str:
        """The picture."""
        y = self._head()
        if self.spans:
            y = self._slots(y)
        width, y = self._tree(y)
        width = max(width, WIDTH + 2 * MARGIN)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{y:.0f}" '
            f'viewBox="0 0 {width:.0f} {y:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="11">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(self.parts) + "\n</svg>\n"
        )

    def _text(self, x: float, y: float, text: str, **style: object) -> None:
        more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in {"fill": INK, **style}.items())
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(visible(text))}</text>')

    def _rectangle(self, x: float, y: float, width: float, height: float, tip: str, **style: object) -> None:
        more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in style.items())
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2"{more}>'
            f"<title>{escape(visible(tip))}</title></rect>"
        )

    def _head(self) -> float:
        self._text(MARGIN, 34, self.state.graph["name"], font_size=17, font_weight="bold")
        done = sum(self.state.status[id_] == "done" for id_ in self.nodes)
        cells = len(self.state.nodes) - len(self.nodes)
        longest = sum(self.seconds[id_] for id_ in self.critical)
        self._text(
            MARGIN,
            53,
            f"{cells} {'cell' if cells == 1 else 'cells'}, {len(self.nodes)} distinct stages, {done} of them done. "
            f"Critical path, in red: {duration(longest)} in {len(self.critical)} stages.",
            fill=PALE,
        )
        x = float(MARGIN)
        for kind in dict.fromkeys(node["kind"] for node in self.nodes.values()):
            self._rectangle(x, 64, 12, 12, WORDS[kind], fill=FILL[kind])
            self._text(x + 17, 74, WORDS[kind])
            x += 34 + CHARACTER * len(WORDS[kind])
        self._rectangle(x, 64, 12, 12, "not done", fill="#ffffff", stroke=LINE, stroke_dasharray="3 2")
        self._text(x + 17, 74, "not done, time estimated")
        return 96

    def _slots(self, y: float) -> float:
        """Time runs to the right, a line for each slot."""
        since = min(span.start for span in self.spans)
        length = max(max(span.end for span in self.spans) - since, 1e-9)
        slots = sorted({span.slot for span in self.spans}, key=lambda slot: -1 if slot is None else slot)
        room = WIDTH - 60.0
        scale = room / length
        busy = sum(span.end - span.start for span in self.spans) / (length * max(self.state.slots, len(slots)))
        self._text(MARGIN, y + 12, "Slots over time", font_size=13, font_weight="bold")
        where = f"{duration(length)} in the last launch, slots busy {busy:.0%} of it"
        self._text(MARGIN + 115, y + 12, where, fill=PALE)
        y += 24
        bottom = y + SLOT * len(slots)
        step = next(s for s in (*_steps(),) if length / s <= 12)
        for tick in range(int(length / step) + 1):
            x = MARGIN + 60 + tick * step * scale
            self.parts.append(f'<path d="M{x:.1f} {y:.1f}V{bottom + 4:.1f}" stroke="#e6e8ea"/>')
            self._text(x, bottom + 16, _clock(tick * step), fill=PALE, text_anchor="middle", font_size=10)
        for slot in slots:
            self._text(MARGIN, y + 15, "" if slot is None else f"slot {slot}", fill=PALE)
            for span in (one for one in self.spans if one.slot == slot):
                self._span(span, MARGIN + 60 + (span.start - since) * scale, y + 3, (span.end - span.start) * scale)
            y += SLOT
        return bottom + 40

    def _span(self, span: Span, x: float, y: float, width: float) -> None:
        node = self.state.nodes[span.node]
        tip = f"{self.state.title(span.node)}: {duration(span.end - span.start)}, {span.how}"
        style: dict[str, Any] = {"fill": FILL[node["kind"]]}
        if span.how == "running":
            style["fill_opacity"] = 0.45
        elif span.how != "done":
            style |= {"fill": "#ffffff", "stroke": RED, "stroke_dasharray": "2 2"}
        if span.node in self.critical:
            style |= {"stroke": RED, "stroke_width": 1.6}
        inset = min(0.4, width / 4)  # neighbours stay apart
        self._rectangle(x + inset, y, max(width - 2 * inset, 0.5), SLOT - 6, tip, **style)
        room = int((width - 6) / CHARACTER)
        if room >= 4:
            self._text(x + 4, y + 13, short(node["label"], room), font_size=10, pointer_events="none")

    def _tree(self, y: float) -> tuple[float, float]:
        """Stages from left to right, each right of the one it starts from; evaluations are the last column."""
        height: dict[str, int] = {}
        for id_ in reversed(self.nodes):
            height[id_] = 1 + max((height[child] for child in self.children[id_]), default=-1)
        depth = max(height.values(), default=0)
        self._text(MARGIN, y + 12, "Stages", font_size=13, font_weight="bold")
        self._text(MARGIN + 58, y + 12, "each starts from the one to its left; hover for more", fill=PALE)
        y += 30
        self.columns = depth + 1
        across = self.columns * (BOX + GAP) + GAP
        place = self._places(max(1, int((WIDTH + 3 * GAP) // across)))
        for id_ in sorted(self.nodes, key=lambda id_: id_ in self.critical):  # red lines above the others
            x, top = self._x(id_, depth - height[id_]), y + ROW * place[id_]
            for child in sorted(self.children[id_], key=lambda child: child in self.critical):
                red = id_ in self.critical and child in self.critical
                start, middle, end = x + BOX, x + BOX + GAP / 2, self._x(child, depth - height[child])
                to = y + ROW * place[child] + ROW / 2
                self.parts.append(
                    f'<path d="M{start:.1f} {top + ROW / 2:.1f}C{middle:.1f} {top + ROW / 2:.1f} {middle:.1f} {to:.1f} '
                    f'{x + BOX + GAP:.1f} {to:.1f}H{end:.1f}" fill="none" stroke="{RED if red else LINE}" '
                    f'stroke-width="{1.6 if red else 1}"/>'
                )
        for id_ in self.nodes:
            self._box(id_, self._x(id_, depth - height[id_]), y + ROW * place[id_])
        right = max(self._x(id_, depth - height[id_]) for id_ in self.nodes)
        return right + BOX + MARGIN, y + ROW * (max(place.values()) + 1) + MARGIN

    def _places(self, blocks: int) -> dict[str, float]:
        """Id -> row: a stage is in the middle of those that start from it."""
        place: dict[str, float] = {}
        free, block = 0.0, 0

        def settle(id_: str) -> float:
            nonlocal free
            self.block[id_] = block
            own = [settle(child) for child in self.children[id_]]
            place[id_] = (own[0] + own[-1]) / 2 if own else free
            free += 0 if own else 1
            return place[id_]

        def group(id_: str) -> tuple[int, str]:
            """What comes first, which order; a little space parts the groups."""
            if self.nodes[id_]["kind"] == "floors":
                return 2, ""
            first, arrow, _ = self.nodes[id_]["label"].partition(" > ")
            return (0, first) if arrow else (1, id_)

        roots = [id_ for id_, node in self.nodes.items() if not node["parents"]]
        order = {id_: at for at, id_ in enumerate(roots)}
        roots.sort(key=lambda id_: (group(id_)[0], group(id_)[1] if group(id_)[0] == 0 else "", order[id_]))
        leaves = sum(not children for children in self.children.values())
        rows = max(BLOCK_ROWS, (leaves + 0.7 * len({group(root) for root in roots})) / blocks)
        before = None
        for root in roots:
            if before not in (None, group(root)):
                free, block = (free + 0.7, block) if free < rows - 0.7 or block == blocks - 1 else (0.0, block + 1)
            before = group(root)
            settle(root)
        return place

    def _x(self, id_: str, column: int) -> float:
        return MARGIN + column * (BOX + GAP) + self.block[id_] * (self.columns * (BOX + GAP) + GAP)

    def _box(self, id_: str, x: float, y: float) -> None:
        node, status, info = self.nodes[id_], self.state.status[id_], self.state.info[id_]
        done = status == "done"
        tip = f"{self.state.title(id_)} ({id_}): {status}, {'' if done else 'about '}{duration(self.seconds[id_])}"
        tip += "".join(f", {name} {info[name]}" for name in ("host", "slot", "error") if info.get(name) is not None)
        style: dict[str, Any] = {"fill": FILL[node["kind"]] if done else "#ffffff"}
        if status == "running":
            style |= {"fill": FILL[node["kind"]], "fill_opacity": 0.45}
        if not done:
            style |= {"stroke": RED if status in ("failed", "skipped") else PALE, "stroke_dasharray": "3 2"}
        if id_ in self.critical:
            style |= {"stroke": RED, "stroke_width": 1.8}
        self._rectangle(x, y + 1.5, BOX, ROW - 3, tip, **style)
        took = "failed" if status == "failed" else f"{'' if done else '~'}{duration(self.seconds[id_])}"
        room = int((BOX - 16) / CHARACTER) - len(took)
        before = self._before(id_)
        label = short(node["label"], room - len(before))
        self._text(x + 6, y + 13, before + label, pointer_events="none")
        self._text(x + BOX - 6, y + 13, took, fill=INK, text_anchor="end", pointer_events="none")

    def _before(self, id_: str) -> str:
        """Of a stage without parent what its label begins with: there is no box to the left that says so."""
        first, arrow, _ = self.nodes[id_]["label"].partition(" > ")
        return "" if self.nodes[id_]["parents"] or not arrow else f"{first} > "


def _steps() -> list[float]:
    return [1, 2, 5, 10, 15, 30, *(60 * m for m in (1, 2, 5, 10, 15, 30)), *(3600.0 * 2**power for power in range(20))]


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min" if rest else f"{minutes} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def draw(state: State, spans: Sequence[Span]) -> str:
    """A sweep as SVG.

    Args:
        state: How it stands.
        spans: Times in slots of its last launch; none leaves the upper half out.

    Returns:
        The text of the file.
    """
    return Drawing(state, [span for span in spans if span.node in state.nodes]).svg()
