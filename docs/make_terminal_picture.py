"""Makes docs/terminal.svg: the live panel of `waste-edge run --demo`, as it stands after the sixth item.

    .venv/bin/python docs/make_terminal_picture.py

Everything in the picture comes from the shipped bundle looking at the shipped clip; only the waiting is left out.
"""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.device.cameras import media_source
from waste_edge.device.capture import Opened, start_capture
from waste_edge.device.clock import SystemClock
from waste_edge.device.decision.item_tracker import CameraItemTracker, Event
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.loop import Loop, LoopControl
from waste_edge.device.run import DEMO_SITE
from waste_edge.device.signals import Stop
from waste_edge.device.views.display import About
from waste_edge.device.views.panel import PanelView, decision_line
from waste_edge.device.vision.camera_health import CameraHealth, CameraHealthConfig
from waste_edge.device.vision.inspection import USUAL_LOOKS, inspector_of
from waste_edge.engines.classifier import load_classifier
from waste_edge.files.atomic import write_atomically
from waste_edge.files.resources import DEFAULT_BUNDLE, DEMO_CLIP, shipped
from waste_edge.files.strict import read_toml
from waste_edge.site import Site

ITEMS = 6


class Photographer(PanelView):
    """Prints the decisions and, once enough items are decided, the panel; draws nothing in between."""

    def __init__(self, console: Console, clock: SystemClock, stop: Stop) -> None:
        super().__init__(console, clock)
        self._paper, self._stop, self._decided = console, stop, 0

    def _draw(self) -> None:
        pass

    def news(self, message: object) -> None:
        """The camera's title is already there."""
        assert isinstance(message, Opened)

    def decided(self, event: Event) -> None:
        self._last = event
        self._paper.print(decision_line(event))
        self._decided += 1
        if self._decided == ITEMS:
            self._paper.print(self.panel())
            self._stop.request("the picture is taken")

    def ended(self, summary: object) -> None:
        """The picture shows the middle of a run."""
        self._live.stop()


def main() -> None:
    """Play the demo and keep the panel."""
    clock, stop = SystemClock(), Stop()
    console = Console(record=True, force_terminal=True, width=80, file=io.StringIO())
    site = read_toml(shipped(f"device/sites/{DEMO_SITE}.toml"), Site)
    with open_bundle(find_bundle(DEFAULT_BUNDLE)) as bundle:
        view = Photographer(console, clock, stop)
        classifier = load_classifier(bundle)
        view.started(About.of("the demo clip (rendered)", classifier, site))
        inspector = inspector_of(classifier, USUAL_LOOKS)
        items = CameraItemTracker(
            DecisionPolicy(bundle.manifest, site),
            inspector,
            health=CameraHealth(CameraHealthConfig(watch_frozen=False)),
        )
        messages = start_capture(media_source(str(DEMO_CLIP), clock), clock, None)
        Loop(messages, items, [view], clock, LoopControl(stop=stop)).run()
    picture = console.export_svg(title="waste-edge run --demo")
    write_atomically(Path(__file__).with_name("terminal.svg"), picture)


if __name__ == "__main__":
    main()
