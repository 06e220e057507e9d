"""The live panel for a terminal: what is seen, what was decided, how fast."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from waste_edge.device.answers.question import ReviewedItem
from waste_edge.device.capture import Absent, BadPicture, Opened
from waste_edge.device.clock import NS_PER_S, Clock
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.loop import Seen
from waste_edge.device.statistics import Summary
from waste_edge.device.system.condition import Condition, Level
from waste_edge.device.views.display import About, NewsPrinter, RunView, answer_line, condition_line, counts, news_line
from waste_edge.device.vision.inspection import ItemView, Visibility
from waste_edge.device.vision.presence import State
from waste_edge.engines.classifier import Prediction
from waste_edge.taxonomy import UNKNOWN

REDRAW_NS = NS_PER_S // 8  # people read no faster, and the engine has better use for the processor
WIDTH = 78
_MAP_COLUMNS, _MAP_ROWS = 24, 6  # letters are twice as high as wide: 4 to 3, as most cameras

_STATE_STYLE = {
    State.LEARNING: "yellow",
    State.EMPTY: "dim",
    State.ARRIVING: "yellow",
    State.SETTLED: "cyan",
    State.DECIDED: "green",
    State.CLEARED: "dim",
}


class PanelView(RunView):
    """A panel that is redrawn in place, and a table at the end. `console` writes to a terminal."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._news = NewsPrinter()
        self._about: About | None = None
        self._camera = ""
        self._seen: Seen | None = None
        self._answer: Prediction | None = None  # the newest one about what lies there now
        self._item: ItemView | None = None
        self._last: Event | None = None
        self._unwell: dict[str, Condition] = {}
        self._drawn_ns = 0
        # No thread of its own: it is redrawn as frames come. Other people's stderr is left alone unless it is
        # the same terminal, where its lines would tear the panel.
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stderr=sys.stderr.isatty())

    def started(self, about: About) -> None:
        self._about = about
        self._camera = about.source
        self._live.start()
        self._draw()

    def news(self, message: Opened | Absent | BadPicture) -> None:
        match message:
            case Opened(title=title):
                self._camera = title
            case Absent():
                self._camera = news_line(message)
                self._seen = self._answer = self._item = None
            case BadPicture():
                self._news.print(message)
        self._draw()

    def seen(self, seen: Seen) -> None:
        self._seen = seen
        if seen.state in (State.LEARNING, State.EMPTY, State.CLEARED, State.ARRIVING):
            self._answer = self._item = None
        self._answer, self._item = seen.prediction or self._answer, seen.item or self._item
        if self._clock.now_ns() - self._drawn_ns >= REDRAW_NS:
            self._draw()

    def decided(self, event: Event) -> None:
        self._last = event
        self._live.console.print(decision_line(event))
        self._draw()

    def answered(self, item: ReviewedItem) -> None:
        self._live.console.print(Text(answer_line(item)))

    def health(self, conditions: Sequence[Condition]) -> None:
        for condition in conditions:
            self._unwell.pop(condition.part, None)
            if condition.level is not Level.OK:
                self._unwell[condition.part] = condition
        self._draw()

    def ended(self, summary: Summary) -> None:
        self._live.stop()
        self._console.print(_summary_panel(summary))

    def _draw(self) -> None:
        self._drawn_ns = self._clock.now_ns()
        self._live.update(self.panel(), refresh=True)

    def panel(self) -> RenderableType:
        """Draw the panel in its present state."""
        about = self._about
        if about is None:
            return Text("")
        parts: list[RenderableType] = [_pair("looking at", Text(self._camera, overflow="fold"))]
        if about.warning:
            parts.append(_pair("warning", Text(about.warning, style="yellow")))
        if self._seen is None:
            parts.append(_pair("scene", Text("nothing to be seen yet", style="yellow")))
        else:
            parts += [
                _pair("scene", Text(self._seen.state.value, style=_STATE_STYLE[self._seen.state])),
                Rule(style="dim"),
                _bars(about.labels, self._answer),
                _pair("item", _place(self._item)),
            ]
        parts += [Rule(style="dim"), _pair("last item", _last_item(self._last))]
        if self._seen is not None:
            parts += [_pair("items", Text(_items(self._seen))), _pair("speed", Text(_speed(self._seen)))]
        parts += [_pair("health", Text(condition_line(one), style="red")) for one in self._unwell.values()]
        title = f"[bold]waste-edge[/] · {escape(about.bundle)} · {about.artifact} · {escape(about.engine)}"
        foot = f"[dim]site: {escape(about.site)} · Ctrl-C ends[/]"
        return Panel(Group(*parts), title=title, subtitle=foot, width=min(WIDTH, self._console.width), padding=(0, 1))


def decision_line(event: Event) -> Text:
    """One decided item on one line, as it stays above the panel."""
    decision = event.decision
    return Text.assemble(
        (f"{decision.label:<12}", "bold"),
        f"{decision.confidence:>5.0%}  → ",
        (decision.stream, "bold green"),
        (f"  {decision.reason}", "dim"),
    )


def _pair(name: str, value: Text) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=11, style="dim")
    grid.add_column()
    grid.add_row(name, value)
    return grid


def _bars(labels: tuple[str, ...], answer: Prediction | None) -> Table:
    """One bar a label, the largest one bright; all dim where the answer is unknown, empty where nothing was asked."""
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=max(11, *(len(label) for label in labels)))
    grid.add_column(ratio=1)
    grid.add_column(width=5, justify="right")
    if answer is None:
        for label in labels:
            grid.add_row(Text(label, style="dim"), ProgressBar(total=1.0, completed=0.0), Text(""))
        return grid
    for label, probability in zip(labels, answer.probabilities.tolist(), strict=True):
        leads = label == answer.best
        known = leads and answer.label != UNKNOWN
        bar = ProgressBar(total=1.0, completed=probability, complete_style="green" if known else "bright_black")
        grid.add_row(Text(label, style="bold" if leads else "dim"), bar, Text(f"{probability:.0%}"))
    return grid


def _place(item: ItemView | None) -> Text:
    """A map of the frame, with the item's box in it, and how well it is seen."""
    if item is None:
        return Text("\n".join(["·" * _MAP_COLUMNS] * _MAP_ROWS), style="dim")
    box, rows = item.box, []
    left, right = int(box.left * _MAP_COLUMNS), max(int(box.left * _MAP_COLUMNS) + 1, round(box.right * _MAP_COLUMNS))
    top, bottom = int(box.top * _MAP_ROWS), max(int(box.top * _MAP_ROWS) + 1, round(box.bottom * _MAP_ROWS))
    for row in range(_MAP_ROWS):
        inside = right - left if top <= row < bottom else 0
        rows += [("·" * (left if inside else _MAP_COLUMNS), "dim"), ("█" * inside, "cyan")]
        rows += [("·" * (_MAP_COLUMNS - right if inside else 0), "dim"), ("\n" if row < _MAP_ROWS - 1 else "", "")]
    height, width = item.crop.shape[:2]
    seen = "" if item.visibility is Visibility.WELL else f", {item.visibility.value}"
    return Text.assemble(*rows, (f"  crop {width}x{height} px{seen}", "dim"))


def _last_item(event: Event | None) -> Text:
    if event is None:
        return Text("none yet", style="dim")
    decision = event.decision
    return Text.assemble(
        (decision.label, "bold"),
        f" {decision.confidence:.0%} → ",
        (decision.stream, "bold green"),
        (f"\n{decision.reason}", "dim"),
    )


def _items(seen: Seen) -> str:
    statistics = seen.statistics
    return f"{statistics.items}" + (f" ({counts(dict(statistics.streams.most_common()))})" if statistics.items else "")


def _speed(seen: Seen) -> str:
    statistics = seen.statistics
    return (
        f"{statistics.fps_now:.1f} frames/s · network p50 {statistics.latency_ms(50):.1f} ms, "
        f"p95 {statistics.latency_ms(95):.1f} ms · dropped {seen.dropped_frames}"
    )


def _summary_panel(summary: Summary) -> Panel:
    rows = {
        "items": f"{summary.items}",
        "streams": counts(summary.streams),
        "labels": counts(summary.labels),
        "frames": f"{summary.frames} at {summary.fps:.1f}/s, {summary.dropped_frames} dropped",
        "network": f"asked {summary.answers} times, p50 {summary.latency_p50_ms:.1f} ms, "
        f"p95 {summary.latency_p95_ms:.1f} ms",
        "time": f"{summary.seconds:.1f} s, ended by: {summary.ended}",
    }
    if summary.unclassified_frames:
        rows["left out"] = f"{summary.unclassified_frames} frames, their picture could not be trusted"
    if summary.bad_pictures:
        rows["unreadable"] = f"{summary.bad_pictures} pictures"
    return Panel(Group(*(_pair(name, Text(value)) for name, value in rows.items())), title="summary", width=WIDTH)
