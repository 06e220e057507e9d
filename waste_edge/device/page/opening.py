"""Opens a station's page: its listener for the loop, and the thread that keeps its process."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from waste_edge.device.clock import Clock, SystemWallClock
from waste_edge.device.page.config import PageConfig, read_token, require_packages
from waste_edge.device.page.link import PageLink
from waste_edge.device.page.listener import PageListener
from waste_edge.device.page.packets import ModelOrder, PageOrder
from waste_edge.device.page.process import PageProcess
from waste_edge.device.page.snapshot import Composer, Station
from waste_edge.device.system.health import Health

if TYPE_CHECKING:
    from waste_edge.bundle.bundle import Bundle
    from waste_edge.device.answers.review import ReviewQueue
    from waste_edge.device.views.display import About
    from waste_edge.engines.classifier import Classifier
    from waste_edge.site import Site


@dataclass(frozen=True)
class PageParts:
    """All that a page is opened with, beside its table.

    Attributes:
        station: what it shows.
        model: what it classifies uploaded pictures with; None: it takes none.
        hidden: files and folders that its process must not see.
        withheld: variables of the environment that it is not given.
        reviews: takes people's answers; None: nobody is asked.
    """

    station: Station
    model: ModelOrder | None = None
    hidden: Sequence[str] = ()
    withheld: Collection[str] = ()
    reviews: ReviewQueue | None = None


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
    answer = None
    if parts.reviews is not None:
        from waste_edge.device.page.reviews import PageReviews

        answer = PageReviews(parts.reviews, listener, clock, SystemWallClock()).answer
    start = partial(PageProcess, order, parts.withheld)
    link = PageLink((listener, composer), health, clock, start, config.items, answer)
    if parts.model is not None:
        listener.renew = partial(_renew, link, composer, (order, parts))
    try:
        link.start()
        yield listener
    finally:
        link.stop()


def _renew(
    link: PageLink,
    composer: Composer,
    ordered: tuple[PageOrder, PageParts],
    about: About,
    bundle: Bundle,
    classifier: Classifier,
) -> None:
    """Show another model, and give the page's process, which is started anew for it, that one for uploads."""
    order, parts = ordered
    if order.model is None:
        return
    path = str(bundle.source.absolute())
    model = msgspec.structs.replace(order.model, bundle=path, digest=bundle.digest, artifact=classifier.artifact)
    composer.renew(about)
    link.renew(partial(PageProcess, msgspec.structs.replace(order, model=model, shown=[path]), parts.withheld))


def check_page(config: PageConfig) -> str:
    """Check that a page can be opened as configured; returns its token.

    Raises:
        ConfigError: see `read_token`.
        MissingPackageError: see `require_packages`.
    """
    require_packages()
    return read_token(config)
