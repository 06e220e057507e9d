"""The worth of the item's crop against the whole view: two Markdown tables.

    python -m tools.view_table small accurate --data ../shared/data/trashnet \\
        --grounds ../shared/data/unknown/licensed/ground \\
        --domains ../shared/data/elsewhere-and-unknown.csv --fixed-camera bincam_trasharmy

The first table shows each bundle the same items: their photographs, the whole view that they were composed into, and
the crop that the bundle's manifest asks for. The second shows it the pictures of one fixed camera, whose empty scene is
the median over every second one: the whole picture, and the crop. INT8 on the engine that the board would take,
intervals of 95 % over groups.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.bundle.manifest import Manifest
from waste_edge.dataset import Photo, open_dataset, open_domains
from waste_edge.engines.classifier import Classifier, load_classifier
from waste_edge.errors import DataError
from waste_edge.evaluation.evaluate import choose_photos
from waste_edge.evaluation.report.markdown import rows_of
from waste_edge.evaluation.report.tables import Table
from waste_edge.evaluation.station_view import grounds_of, through_the_station
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.preprocess import View
from waste_edge.item import Ground, crop_item, find_item
from waste_edge.metrics.significance import group_bootstrap_mean

WHOLE_VIEW = View()


def share_right(classifier: Classifier, shown: Sequence[tuple[Photo, Pixels]]) -> str:
    """Share of items whose likeliest label is the true one, with its interval over groups."""
    right = [classifier.classify(pixels).best == photo.label for photo, pixels in shown]
    share = group_bootstrap_mean(np.array(right, np.float64), [photo.group for photo, _ in shown])
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%})"


def composed_row(classifier: Classifier, data: Path, grounds: Path | None) -> tuple[str, ...]:
    """One bundle's row of the first table."""
    manifest = classifier.manifest
    dataset = open_dataset(data, manifest.labels, manifest.provenance.label_map)
    photos, _ = choose_photos(dataset, "auto", manifest.provenance.split, manifest.provenance.data_fingerprint)
    crops = through_the_station(photos, manifest.input.view, grounds_of(grounds))
    views = through_the_station(photos, WHOLE_VIEW, grounds_of(grounds))
    of_key = {photo.key: photo for photo in photos}
    sets = ([of_key[one.key] for one in crops], views, crops)
    shares = (share_right(classifier, [(one, one.pixels()) for one in shown]) for shown in sets)
    return (_name(manifest), str(len(crops)), *shares)


def median_scene(pictures: Sequence[Pixels]) -> Pixels:
    """The empty scene of a fixed camera: the median over every second of its pictures, uint8 (H, W, 3).

    Raises:
        DataError: they are not of one size.
    """
    if len({picture.shape for picture in pictures}) != 1:
        raise DataError("the pictures of a fixed camera must be of one size; give another source to --fixed-camera")
    return np.asarray(np.median(np.stack(pictures[::2]), axis=0), np.uint8)


def fixed_camera_row(classifier: Classifier, domains: Path, source: str) -> tuple[str, ...]:
    """One bundle's row of the second table.

    Raises:
        DataError: the table has no such source, or its pictures differ in size.
    """
    manifest = classifier.manifest
    photos = open_domains(domains).of([source]).named(manifest.labels, manifest.provenance.label_map).photos
    pictures = [photo.pixels() for photo in photos]
    ground = Ground(median_scene(pictures))
    crops = list(_crops(pictures, ground, manifest.input.view))
    shares = (share_right(classifier, list(zip(photos, shown, strict=True))) for shown in (pictures, crops))
    found = sum(find_item(picture, ground) is not None for picture in pictures)
    return (_name(manifest), f"{len(photos)}, found in {found}", *shares)


def _crops(pictures: Sequence[Pixels], ground: Ground, view: View) -> Iterator[Pixels]:
    for picture in pictures:
        region = find_item(picture, ground)
        yield picture if region is None else crop_item(picture, region, view)


def _name(manifest: Manifest) -> str:
    view = manifest.input.view
    shown = "the whole view" if view.kind == "picture" else f"margin {view.margin:.0%}, {view.surround}"
    return f"{manifest.name} {manifest.version}: {shown}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Compare the whole view with the item's crop.")
    parser.add_argument("bundle", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--grounds", type=Path)
    parser.add_argument("--domains", type=Path)
    parser.add_argument("--fixed-camera", metavar="SOURCE", default="bincam_trasharmy")
    chosen = parser.parse_args(arguments)
    composed, fixed = [], []
    for name in chosen.bundle:
        with open_bundle(find_bundle(name)) as bundle:
            classifier = load_classifier(bundle)
            composed.append(composed_row(classifier, chosen.data, chosen.grounds))
            if chosen.domains is not None:
                fixed.append(fixed_camera_row(classifier, chosen.domains, chosen.fixed_camera))
    heads = ("bundle", "items", "photograph", "whole view", "item's crop")
    print(rows_of(Table("", heads, composed)))
    if fixed:
        print()
        print(rows_of(Table("", (chosen.fixed_camera, "pictures", "whole view", "item's crop"), fixed)))


if __name__ == "__main__":
    main()
