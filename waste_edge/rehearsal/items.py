"""Things to lay before a composed camera: cut out of photographs, or rendered, each with its label and group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from waste_edge.dataset import Photo
from waste_edge.errors import DataError
from waste_edge.imaging.image_files import find_pictures, read_picture
from waste_edge.item.compose import Sprite
from waste_edge.rendering.cutouts import credible_sprite
from waste_edge.rendering.held_out import JUDGING
from waste_edge.rendering.items.sprites import ITEM_LABELS, render_item
from waste_edge.rendering.outliers import outlier_sprite, outlined
from waste_edge.taxonomy import UNKNOWN

_SPRITE_PX = 320


@dataclass(frozen=True)
class FilmItem:
    """One thing that can be laid down.

    Attributes:
        label: what it is; "unknown" for what belongs to none of the model's labels.
        group: things of one group show the same object.
        name: for people: the picture's key, or how it was rendered.
        draw: makes the sprite anew each time, so that a thousand things need no memory.
    """

    label: str
    group: str
    name: str
    draw: Callable[[], Sprite]


@dataclass(frozen=True)
class ItemCandidate:
    """A thing that may turn out not to be usable.

    Attributes:
        label, group, name: as of `FilmItem`.
        draw: makes the sprite; None where the item cannot be cut out credibly.
    """

    label: str
    group: str
    name: str
    draw: Callable[[], Sprite | None]


def photographed(photos: Sequence[Photo]) -> list[ItemCandidate]:
    """Labelled photographs as candidates."""

    def drawer(photo: Photo) -> Callable[[], Sprite | None]:
        return lambda: credible_sprite(photo.pixels())

    return [ItemCandidate(photo.label, photo.group, photo.key, drawer(photo)) for photo in photos]


def unknown_in(folder: Path) -> list[ItemCandidate]:
    """Pictures of things that belong to no label, in a folder and those below it.

    Where no plain board surrounds the thing, an outline filled with the picture is laid down: a thing of such stuff.

    Raises:
        DataError: there are no pictures.
    """
    paths = sorted(find_pictures(folder)) if folder.is_dir() else []
    if not paths:
        raise DataError(f"--unknown {folder}: no pictures; give a folder of pictures that show none of the labels")

    def drawer(path: Path, seed: int) -> Callable[[], Sprite]:
        def draw() -> Sprite:
            pixels = read_picture(path)
            whole = credible_sprite(pixels)
            return whole if whole is not None else outlined(pixels, np.random.default_rng([seed, 11]), _SPRITE_PX)

        return draw

    names = [path.relative_to(folder).as_posix() for path in paths]
    return [
        ItemCandidate(UNKNOWN, name, name, drawer(path, index))
        for index, (path, name) in enumerate(zip(paths, names, strict=True))
    ]


def rendered(labels: Sequence[str], count: int, seed: int) -> list[ItemCandidate]:
    """Rendered items of the labels that can be drawn, in turn.

    Raises:
        DataError: none of the labels can be drawn.
    """
    drawn = [label for label in labels if label in ITEM_LABELS]
    if not drawn:
        raise DataError(f"nothing can be rendered for {', '.join(labels)}; give photographs with --data")

    def drawer(label: str, index: int) -> Callable[[], Sprite]:
        return lambda: render_item(label, np.random.default_rng([seed, 12, index]), _SPRITE_PX)

    names = [(drawn[index % len(drawn)], f"rendered {drawn[index % len(drawn)]} {index}") for index in range(count)]
    return [ItemCandidate(label, name, name, drawer(label, index)) for index, (label, name) in enumerate(names)]


def rendered_unknown(count: int, seed: int) -> list[ItemCandidate]:
    """Rendered things of materials that training never saw."""

    def drawer(index: int) -> Callable[[], Sprite]:
        return lambda: outlier_sprite(np.random.default_rng([seed, 13, index]), _SPRITE_PX, JUDGING.fill)

    return [ItemCandidate(UNKNOWN, f"rendered unknown {i}", f"rendered unknown {i}", drawer(i)) for i in range(count)]


def choose(candidates: Sequence[ItemCandidate], count: int, rng: np.random.Generator) -> tuple[list[FilmItem], int]:
    """Choose `count` usable things at random; all come once before one comes twice.

    Args:
        candidates: at least one.
        count: how many things.
        rng: source of the order.

    Returns:
        The things, and how many candidates were passed over because they could not be cut out.

    Raises:
        DataError: none can be used.
    """
    things: list[FilmItem] = []
    refused = 0
    order = [candidates[int(index)] for index in rng.permutation(len(candidates))]
    for candidate in order:
        if len(things) == count:
            break
        sprite = candidate.draw()
        if sprite is None:
            refused += 1
            continue
        things.append(_kept(candidate, sprite))
    if count and not things:
        raise DataError(
            f"none of {len(candidates)} pictures shows an item on a plain board that could be cut out; give others"
        )
    usable = list(things)
    while len(things) < count:
        things.extend(usable[: count - len(things)])
    return things, refused


def _kept(candidate: ItemCandidate, sprite: Sprite) -> FilmItem:
    """A thing that remembers its sprite as a PNG: cutting out again would take ten times as long."""
    _, data = cv2.imencode(".png", sprite, [cv2.IMWRITE_PNG_COMPRESSION, 1])

    def draw() -> Sprite:
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)

    return FilmItem(candidate.label, candidate.group, candidate.name, draw)


def in_turn(known: Sequence[FilmItem], unknown: Sequence[FilmItem], rng: np.random.Generator) -> Iterator[FilmItem]:
    """All of them in random order."""
    everything = [*known, *unknown]
    for index in rng.permutation(len(everything)):
        yield everything[int(index)]
