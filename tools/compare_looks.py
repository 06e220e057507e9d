"""Compare what each look at an item is worth, on items composed on grounds: a Markdown table.

    python -m tools.compare_looks BUNDLE --data PHOTOS [--grounds FOLDER] [--surround plain --margin 0.1]

What measures better is the default: the order of `LOOKS` in item/looks.py, and `USUAL_LOOKS` of a station;
training/LOG.md has the tables. `--surround` shows a bundle that was made for whole pictures what one for items sees.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from waste_edge.bundle.bundle import find_bundle, open_bundle
from waste_edge.dataset import open_dataset
from waste_edge.device.vision.inspection import Inspector, inspector_of
from waste_edge.engines.classifier import load_classifier
from waste_edge.evaluation.evaluate import choose_photos
from waste_edge.evaluation.station_view import Grounds, grounds_of, scene_of
from waste_edge.item import LOOKS, Ground, find_item
from waste_edge.rendering.cutouts import credible_sprite

Floats = NDArray[np.float64]


def answers_of(
    inspector: Inspector, photos: Iterator[tuple[NDArray[np.uint8], int]], grounds: Grounds
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """Probabilities (N, L, C) of every look at every item, the true labels (N,), and what a look takes in ms (N, L)."""
    probabilities, truth, taken_ms = [], [], []
    for index, (pixels, label) in enumerate(photos):
        sprite = credible_sprite(pixels)
        if sprite is None:
            continue
        scene = scene_of(sprite, grounds, index)
        region = find_item(scene.frames[0], Ground(scene.empty))
        if region is None:
            continue
        seen = inspector.see(scene.frames[0], region)
        answers = [inspector.predict(scene.frames[0], seen, number) for number in range(len(LOOKS))]
        probabilities.append([answer.probabilities for answer in answers])
        taken_ms.append([answer.latency_ms for answer in answers])
        truth.append(label)
    return np.array(probabilities), np.array(truth), np.array(taken_ms)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Compare looks at an item.")
    parser.add_argument("bundle")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--grounds", type=Path)
    parser.add_argument("--surround", choices=("keep", "plain"))
    parser.add_argument("--margin", type=float, default=0.1)
    chosen = parser.parse_args()
    with open_bundle(find_bundle(chosen.bundle)) as bundle:
        manifest = bundle.manifest
        inspector = inspector_of(load_classifier(bundle), len(LOOKS))
        if chosen.surround:
            view = msgspec.structs.replace(inspector.view, kind="item", margin=chosen.margin, surround=chosen.surround)
            inspector = replace(inspector, view=view)
        dataset = open_dataset(chosen.data, manifest.labels, manifest.provenance.label_map)
        photos, protocol = choose_photos(
            dataset, "auto", manifest.provenance.split, manifest.provenance.data_fingerprint
        )
        pairs = ((photo.pixels(), manifest.labels.index(photo.label)) for photo in photos)
        probabilities, truth, taken_ms = answers_of(inspector, pairs, grounds_of(chosen.grounds))
    print(f"{manifest.name} {manifest.version}, {inspector.view}, {len(truth)} items of {protocol}\n")
    print("| look | alone right | mean of all up to it: right | negative log likelihood | ms, median |")
    print("|---|---:|---:|---:|---:|")
    for number, look in enumerate(LOOKS):
        mean = probabilities[:, : number + 1].mean(axis=1)
        alone = np.mean(probabilities[:, number].argmax(axis=1) == truth)
        loss = -np.log(np.maximum(mean[np.arange(len(truth)), truth], 1e-6)).mean()
        right = np.mean(mean.argmax(axis=1) == truth)
        words = f"{'mirrored' if look.mirrored else 'straight'}, turned {look.turn_deg}°{', grey' if look.grey else ''}"
        median_ms = np.median(taken_ms[:, number])
        print(f"| {number + 1}: {words} | {alone:.1%} | {right:.1%} | {loss:.3f} | {median_ms:.1f} |")


if __name__ == "__main__":
    main()
