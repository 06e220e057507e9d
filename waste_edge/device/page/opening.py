"""Opens a station's page: its listener for the loop, and the thread that keeps its process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from waste_edge.device.clock import Clock
from waste_edge.device.page.config import PageConfig, read_token, require_packages
from waste_edge.device.page.link import Answer, PageLink
from waste_edge.device.page.listener import PageListener
from waste_edge.device.page.packets import ModelOrder, PageOrder
from waste_edge.device.page.snapshot import Composer, Station
from waste_edge.device.system.health import Health
from waste_edge.device.wall_clock import SystemWallClock

if TYPE_CHECKING:
    from waste_edge.bundle.bundle import Bundle
    from waste_edge.engines.classifier import Classifier
    from waste_edge.site import Site


@dataclass(frozen=True)
class PageParts:
    """What a page is opened with, beside its table.

    Attributes:
        station: what it shows.
        model: what it classifies uploaded pictures with; None: it takes none.
        hidden: files and folders that its process must not see.
        answer: acts on people's answers; None: the page takes none.
    """

    station: Station
    model: ModelOrder | None = None
    hidden: Sequence[str] = ()
    answer: Answer | None = None


def model_of(bundle: Bundle, classifier: Classifier, engine: str, site: Site) -> ModelOrder:
    """Describe the model that a station runs, for the process that classifies uploads."""
    return ModelOrder(
        bundle=str(bundle.source.absolute()),
        digest=bundle.digest,
        artifact=classifier.artifact,
        engine=engine,
        site=msgspec.Raw(msgspec.json.encode(site)),
    )


@contextlib.contextmanager
def opened_page(config: PageConfig, parts: PageParts, health: Health, clock: Clock) -> Iterator[PageListener]:
    """A page for as long as the block lasts.

    Yields:
        The listener that the loop has to tell.

    Raises:
        ConfigError, MissingPackageError: see `check_page`.
    """
    token = check_page(config)
    listener = PageListener(clock, SystemWallClock(), config.items, config.live_fps)
    composer = Composer(parts.station, listener, health, (clock, SystemWallClock()))
    order = PageOrder(
        host=config.host,
        port=config.port,
        token=token,
        names=config.names,
        hidden=list(parts.hidden),
        shown=[] if parts.model is None else [parts.model.bundle],
        items=config.items,
        model=parts.model,
    )
    link = PageLink(order, (listener, composer), health, clock, parts.answer)
    try:
        link.start()
        yield listener
    finally:
        link.stop()


def check_page(config: PageConfig) -> str:
    """Check that a page can be opened as configured; returns its token.

    Raises:
        ConfigError: see `read_token`.
        MissingPackageError: see `require_packages`.
    """
    require_packages()
    return read_token(config)
