"""Rich's console, in which text from outside is only text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.errors import MarkupError
from rich.segment import Segment
from rich.text import Text

from waste_edge.files.text import visible


class Screen(Console):
    """Escapes what a bundle, a file's name or a configuration would do to the terminal.

    Strings before they are laid out, so that tables stay straight; and whatever else comes, as it is drawn.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """See rich."""
        shown = visible(text, lines=True)
        try:
            return super().render_str(shown, **options)
        except MarkupError:  # a name like `a[/]b`
            return Text(shown, style=options.get("style") or "")

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """See rich."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(visible(segment.text, lines=True), segment.style)
