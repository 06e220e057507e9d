"""Asks the network about an item that lies still: which part of the frame it is shown, and how often.

An item lies for at least half a second, so it is looked at several times, in different frames and in different ways
(`waste_edge.item.looks`), and the answers are averaged. How many looks a station takes is its key `looks`, else what
fits into `BUDGET_MS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from waste_edge.bundle.manifest import Manifest
from waste_edge.engines.classifier import Classifier, Prediction
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import WHOLE, Region, View
from waste_edge.item import ItemRegion, crop_item, in_frame, look_of

Classify = Callable[[Pixels], Prediction]  # `Classifier.classify`

WHOLE_PICTURE = View()
BUDGET_MS = 300.0  # what all looks at one item may take
USUAL_LOOKS = 8  # where the board affords them; what each is worth: training/LOG.md
LEAST_SHARE = 5  # an item that is shorter than a fifth of what the network takes is too small to be told


class Visibility(StrEnum):
    """Visibility of an item.

    `PARTLY`: it touches the edge of what the camera sees. `SMALL`: it has too few pixels. `SEVERAL`: things that lie
    apart came together.
    """

    WELL = "well"
    PARTLY = "partly"
    SMALL = "small"
    SEVERAL = "several"


@dataclass(frozen=True, eq=False)
class ItemView:
    """View of an item in one frame.

    Attributes:
        region: where it lies in the part of the frame that the site watches.
        box: where it lies, in shares of the whole frame.
        visibility: how well it is seen.
        parts: how many things lie apart.
        crop: the picture of it as the network's view has it, uint8 (S, S, 3); the watched part for a bundle that takes
            whole pictures.
    """

    region: ItemRegion
    box: Region
    visibility: Visibility
    crop: Pixels
    parts: int = 1


@dataclass(frozen=True)
class Inspector:
    """Shows items to a network.

    Attributes:
        classify: asks the network about one picture.
        view: of the bundle's manifest.
        looks: how many looks an item gets, at least 1.
        least_px: longer side of the smallest item that can be told.
    """

    classify: Classify
    view: View = WHOLE_PICTURE
    looks: int = 1
    least_px: int = 24

    def see(self, watched: Pixels, region: ItemRegion, within: Region = WHOLE, largest: bool = False) -> ItemView:
        """Locate an item in a frame and judge its visibility.

        Args:
            watched: the part of the frame that the site watches, uint8 (H, W, 3).
            region: where the item lies in it.
            within: which part of the frame that is.
            largest: of things that lie apart show the largest alone, else all of them.
        """
        visibility, parts = self._visibility(watched, region), len(region.parts)
        shown = region.only(0) if largest and parts > 1 else region
        box = _rounded(in_frame(shown.box, within))
        return ItemView(shown, box, visibility, crop_item(watched, shown, self.view), parts)

    def predict(self, watched: Pixels, seen: ItemView, number: int) -> Prediction:
        """The network's answer to look number `number`, from 0; after the last that the view allows they begin anew.

        Args:
            watched: as for `see`.
            seen: what `see` made of it.
            number: which look.
        """
        shown = seen.crop if self.view.kind == "item" else watched
        return self.classify(look_of(shown, self.view, number))

    def _visibility(self, watched: Pixels, region: ItemRegion) -> Visibility:
        height, width = watched.shape[:2]
        box = region.box
        if max((box.right - box.left) * width, (box.bottom - box.top) * height) < self.least_px:
            return Visibility.SMALL
        if len(region.parts) > 1:
            return Visibility.SEVERAL
        return Visibility.PARTLY if region.touches_edge else Visibility.WELL


def inspector_of(classifier: Classifier, looks: int) -> Inspector:
    """Build the inspector that shows items to a loaded bundle, as its manifest says."""
    spec = classifier.manifest.input
    least_px = max(spec.width_px, spec.height_px) // LEAST_SHARE
    return Inspector(classifier.classify, spec.view, looks, least_px)


def warning_of(manifest: Manifest) -> str:
    """Warn, in one line, of a bundle that is not made for a camera; empty if it is."""
    if manifest.input.view.kind == "item":
        return ""
    return (
        f"{manifest.name} {manifest.version} was made for pictures that an item fills: it is shown the whole view, and "
        "is often wrong; take a bundle whose manifest says input.view.kind = item"
    )


def look_ms_of(classifier: Classifier, rounds: int = 5) -> float:
    """Measure one look's milliseconds on this board: the least of several on a grey frame, since load only adds."""
    spec = classifier.manifest.input
    grey = np.full((2 * spec.height_px, 2 * spec.width_px, 3), 128, np.uint8)
    classifier.classify(grey)
    return min(classifier.classify(grey).latency_ms for _ in range(rounds))


def looks_that_fit(look_ms: float, wanted: int | Literal["auto"] = "auto", most: int = USUAL_LOOKS) -> int:
    """Compute the number of looks an item gets.

    Args:
        look_ms: what one takes on this board.
        wanted: so many, whatever they take; `auto`: the usual ones, as far as they fit into the budget.
        most: how many differ from one another for the bundle's view.
    """
    if wanted != "auto":
        return wanted
    return max(1, min(USUAL_LOOKS, most, int(BUDGET_MS / max(look_ms, 1e-3))))


def _rounded(box: Region) -> Region:
    """Round to a ten-thousandth of the frame, less than a pixel; still at least that large."""
    left, top = round(box.left, 4), round(box.top, 4)
    right, bottom = max(round(box.right, 4), left + 1e-4), max(round(box.bottom, 4), top + 1e-4)
    return Region(left=left, top=top, right=round(min(1.0, right), 4), bottom=round(min(1.0, bottom), 4))
