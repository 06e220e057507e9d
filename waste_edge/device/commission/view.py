"""The view of a commissioning: how the camera's picture is turned, which part of it is watched, and in which lights the
empty scene was seen. Kept in the state folder, so that a commissioning goes on with it, and a station begins with the
lights that were learned.

Of a light the empty scene is kept on the grid of presence, 64 by 48 cells: too coarse to be a picture of anything.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import msgspec
import numpy as np

from waste_edge.device.capture.convert import Degrees
from waste_edge.device.commission import FOLDER, VIEW_NAME
from waste_edge.device.commission.place import propose_region, turned_region
from waste_edge.device.commission.records import Records
from waste_edge.device.vision.scene import GRID_HEIGHT, GRID_WIDTH, MAX_LIGHTS, Grid, small
from waste_edge.errors import ConfigError, WasteEdgeError
from waste_edge.files.atomic import telling_a_full_disk, write_atomically
from waste_edge.files.strict import Strict, read_json, to_json
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import WHOLE, Region, cut
from waste_edge.site import Site

_SHAPE = (GRID_HEIGHT, GRID_WIDTH, 3)


class SeenLight(Strict, frozen=True):
    """The empty scene in one light: its number from 1, and its look, uint8 (48, 64, 3) in base64."""

    number: int
    look: str

    def __post_init__(self) -> None:
        if self.number < 1 or len(base64.b64decode(self.look, validate=True)) != np.prod(_SHAPE):
            raise ValueError("a light needs a number from 1, and a look of 48 x 64 x 3 bytes in base64")


class ViewLights(Strict, frozen=True):
    """Lights as they were seen with these keys of a site.toml: with others the grid lies elsewhere."""

    rotate: Degrees
    region: Region
    lights: list[SeenLight]

    def looks(self) -> dict[int, Grid]:
        """The empty scene in each light, by its number."""
        return {
            one.number: np.frombuffer(base64.b64decode(one.look), np.uint8).reshape(_SHAPE).astype(np.float32)
            for one in self.lights
        }


class KeptView(Strict, frozen=True):
    """The file.

    Attributes:
        rotate: degrees, clockwise, by which the picture is turned.
        site_rotate: what the site said when that was chosen.
        views: lights, as the site is and as it was proposed to become.
        schema: 1.
    """

    rotate: Degrees = 0
    site_rotate: Degrees = 0
    views: list[ViewLights] = msgspec.field(default_factory=list)
    schema: Literal[1] = 1


class View:
    """View of a station while it is commissioned: as its site says, until a person turns it.

    Args:
        folder: of the records.
        site: of the station. If its `rotate` was changed since the view was turned, the site is right.

    Attributes:
        site: see there.
        rotate: degrees, clockwise.

    Raises:
        ConfigError: the kept view is damaged.
    """

    def __init__(self, folder: Path, site: Site) -> None:
        self._path = folder / VIEW_NAME
        self._kept = _read(self._path, "; begin anew with --restart")
        self.site = site
        self.rotate: Degrees = self._kept.rotate if self._kept.site_rotate == site.rotate else site.rotate

    @property
    def watched(self) -> Site:
        """The site with this view: the part of the scene that it watches stays the same when the view is turned."""
        region = turned_region(self.site.region, self.rotate - self.site.rotate)
        return msgspec.structs.replace(self.site, rotate=self.rotate, region=region)

    def turn(self) -> None:
        """Turn by a quarter, clockwise; kept.

        Raises:
            UserError: the disk is full, or cannot be written.
        """
        self.rotate = cast(Degrees, (self.rotate + 90) % 360)
        self._write(self._kept.views)

    def lights(self) -> dict[int, Grid]:
        """The lights that this view was seen in before; none if it is seen for the first time."""
        return _lights_in(self._kept, self.watched)

    def keep_lights(self, looks: Mapping[int, Grid], empties: Mapping[int, Pixels], records: Records) -> None:
        """Keep the lights for the station, as its site is and as it is proposed to become.

        Args:
            looks: the empty scene in each light, as presence has it; nothing is kept if there is none.
            empties: whole frames of the empty scene by light, for the proposed region.
            records: that it is proposed by.

        Raises:
            UserError: the disk is full, or cannot be written.
        """
        if not looks:
            return
        views = [_view(self.watched, looks)]
        if proposed := self.proposed_region(records):
            shown = {number: small(cut(pixels, proposed)) for number, pixels in empties.items()}
            views.append(_view(msgspec.structs.replace(self.watched, region=proposed), shown))
        self._write(views)

    def proposed_region(self, records: Records) -> Region | None:
        """The part of the view that items came up in; None where the site states one, or nothing would be gained."""
        return propose_region(records.shots, self.rotate) if self.site.region == WHOLE else None

    def proposed_lines(self, records: Records) -> list[str]:
        """The lines that a site.toml needs for this view; none if it is as the site says."""
        watched, found = self.watched, []
        if watched.rotate != self.site.rotate:
            found.append(f"rotate = {watched.rotate}")
        if watched.region != self.site.region:
            found.append(region_in_words(watched.region))
        elif proposed := self.proposed_region(records):
            found.append(region_in_words(proposed))
        return found

    def _write(self, views: list[ViewLights]) -> None:
        self._kept = KeptView(rotate=self.rotate, site_rotate=self.site.rotate, views=views)
        with telling_a_full_disk("free some space and go on: what was shown before is kept"):
            write_atomically(self._path, to_json(self._kept))


def lights_for(state: Path, site: Site) -> dict[int, Grid]:
    """The lights that a station's commissioning learned, of the view that its site has; by their numbers.

    Args:
        state: the station's folder.
        site: of the station.

    Raises:
        ConfigError: the file is damaged.
    """
    return _lights_in(_read(state / FOLDER / VIEW_NAME, ""), site)


def region_in_words(region: Region) -> str:
    """A region as a line of a site.toml."""
    return (
        "region = { " + ", ".join(f"{key} = {value:g}" for key, value in msgspec.structs.asdict(region).items()) + " }"
    )


def _read(path: Path, remedy: str) -> KeptView:
    if not path.exists():
        return KeptView()
    try:
        return read_json(path, KeptView)
    except WasteEdgeError as error:
        raise ConfigError(f"{error}{remedy}") from error


def _lights_in(kept: KeptView, site: Site) -> dict[int, Grid]:
    for view in kept.views:
        if (view.rotate, view.region) == (site.rotate, site.region):
            return view.looks()
    return {}


def _view(site: Site, looks: Mapping[int, Grid]) -> ViewLights:
    newest = sorted(looks)[-(MAX_LIGHTS + 1) :]
    lights = [SeenLight(number=number, look=base64.b64encode(_bytes(looks[number])).decode()) for number in newest]
    return ViewLights(rotate=site.rotate, region=site.region, lights=lights)


def _bytes(look: Grid) -> bytes:
    return look.round().clip(0, 255).astype(np.uint8).tobytes()
