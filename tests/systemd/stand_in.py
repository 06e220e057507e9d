"""Stands in for `waste-edge run --config` where that is not to be tried: the real loop and watchdog.

Every other verb goes to `waste-edge`. As `run` it classifies the demo clip again and again, tells systemd, and takes
SIGHUP as a reading of its configuration.
"""

from __future__ import annotations

import signal
import sys

from waste_edge.bundle import find_bundle, open_bundle
from waste_edge.device.cameras import media_source
from waste_edge.device.capture import Opened
from waste_edge.device.capture.thread import Capture
from waste_edge.device.clock import SystemClock
from waste_edge.device.items import PassingItems
from waste_edge.device.judge import Judge
from waste_edge.device.loop import Loop, stopped_by_signals
from waste_edge.device.notify import Notifier, Watchdog, watchdog_ns
from waste_edge.engines.classifier import load_classifier
from waste_edge.resources import DEFAULT_BUNDLE, DEMO_CLIP
from waste_edge.taxonomy import site_of_labels


def main() -> None:
    if sys.argv[1:2] != ["run"]:
        from waste_edge.cli.main import main as others

        return others()
    assert sys.argv[2:] == ["--config", "/etc/waste-edge/station.toml", "--json"], sys.argv
    clock, notifier = SystemClock(), Notifier.of_environment()

    def reload(*_: object) -> None:
        notifier.reloading(clock.now_ns())
        notifier.ready()

    signal.signal(signal.SIGHUP, reload)
    watchdog = Watchdog(notifier, clock, watchdog_ns())
    with open_bundle(find_bundle(DEFAULT_BUNDLE), None) as bundle, stopped_by_signals() as stop:
        classifier = load_classifier(bundle, "auto", "int8", 1)
        items = PassingItems(Judge(bundle.manifest, site_of_labels(bundle.manifest.labels)))
        watchdog.news(Opened("the demo clip"))
        while not stop.reason:
            messages = Capture(media_source(str(DEMO_CLIP), clock), clock, None)
            Loop(messages, classifier.classify, items, [watchdog], clock, stop=stop).run()
    return None
