"""Every file of a data folder, seen once: what it is, and what is measured of it.

What is measured are numbers that stand for a picture, to find those that look like another label's.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from waste_edge.dataset import Part
from waste_edge.dataset.folders import ClassFolder, class_folders
from waste_edge.dataset.looking import Look, Looker
from waste_edge.errors import ConfigError
from waste_edge.files.bounded import NotAFileError, open_file
from waste_edge.files.limits import MAX_PICTURE_FILE_BYTES
from waste_edge.files.text import fault_of_name, visible
from waste_edge.imaging.frames import Pixels
from waste_edge.imaging.image_files import PICTURE_SUFFIXES, find_pictures
from waste_edge.imaging.preprocess import InputSpec, prepare

SIMPLE = "colours and edges"
_CELLS = 4
_ANGLES = 8
_BATCH = 32
_SIDE_PX = 160
SEEN_AT_PX = 256  # the shorter side, for sharpness: a large picture is not judged by its grain
_FEATURES_AT = InputSpec(width_px=64, height_px=64, resize="letterbox")
FEATURES = 352  # numbers of `simple_features`
_MEASURES = struct.Struct("<2I3d")
_EXPECTED = {"groups.csv", "SOURCE.json"}  # files that belong beside the class folders
_EXPECTED_STEMS = {"readme", "license", "licence"}


def simple_features(pixels: Pixels) -> NDArray[np.float32]:
    """A picture's colours (HSV histogram, mean and spread in 4x4 cells) and edges (directions in 4x4 cells).

    Args:
        pixels: uint8 (H, W, 3) RGB, H and W divisible by four.
    """
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    colours = cv2.calcHist([hsv], [0, 1, 2], None, [8, 4, 4], [0, 180, 0, 256, 0, 256]).ravel()
    lab = _in_cells(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab).astype(np.float32))
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    direction = ((np.arctan2(down, across) % np.pi) / np.pi * _ANGLES).astype(int) % _ANGLES
    strength = np.hypot(across, down)
    edges = [_in_cells(np.where(direction == angle, strength, 0)[:, :, None]).mean((1, 2)) for angle in range(_ANGLES)]
    return np.concatenate(
        [np.sqrt(colours / colours.sum()), lab.mean((1, 2)).ravel(), lab.std((1, 2)).ravel(), np.log1p(np.ravel(edges))]
    ).astype(np.float32)


def _in_cells(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, C) to (cells, H/4, W/4, C)."""
    height, width, channels = image.shape
    cells = image.reshape(_CELLS, height // _CELLS, _CELLS, width // _CELLS, channels).swapaxes(1, 2)
    return cells.reshape(_CELLS * _CELLS, height // _CELLS, width // _CELLS, channels)


def network_features(
    paths: Sequence[Path], weights: Path, progress: Callable[[int, int], None]
) -> tuple[NDArray[np.float32], str]:
    """Compute a MobileNetV1's features of each picture: float32 (N, F), and the network's name in words.

    Raises:
        ConfigError: the file holds no MobileNetV1.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    from waste_edge.imaging.image_files import read_picture
    from waste_edge.training.networks import build_network, load_initial_weights, normalize
    from waste_edge.training.recipe import ModelSpec

    try:
        with safe_open(weights, "pt") as file:
            channels = file.get_slice("conv_stem.weight").get_shape()[0]
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{weights}: not a MobileNetV1's .safetensors ({error}); give another --weights") from error
    spec = ModelSpec(architecture="mobilenet_v1", width=channels / 32)
    network = build_network(spec, 2)
    load_initial_weights(network, spec, weights)
    network.eval()
    seen_as = InputSpec(width_px=_SIDE_PX, height_px=_SIDE_PX, resize="letterbox")
    found = []
    with torch.no_grad():
        for start in range(0, len(paths), _BATCH):
            batch = np.stack([prepare(read_picture(path), seen_as) for path in paths[start : start + _BATCH]])
            _, features = network(normalize(torch.from_numpy(batch).permute(0, 3, 1, 2)))
            found.append(features.numpy())
            progress(min(start + _BATCH, len(paths)), len(paths))
    return np.concatenate(found), f"MobileNetV1 of width {spec.width:g} with {weights.name}"


@dataclass(frozen=True)
class Seen:
    """A readable picture, and what was measured of it; `hash` is packed, and empty for a plain picture."""

    path: Path
    key: str
    label: str
    part: Part | None
    sha256: str
    width_px: int
    height_px: int
    brightness: float
    contrast: float
    sharpness: float
    hash: bytes

    @property
    def aspect(self) -> float:
        return max(self.width_px, self.height_px) / min(self.width_px, self.height_px)


@dataclass(frozen=True)
class Odd:
    """A file or folder that is no readable picture of a label, and why."""

    key: str
    says: str


@dataclass(frozen=True)
class Scan:
    """Scan of a whole folder; `features` float32 (pictures, F) stand for the pictures, see `simple_features`."""

    root: Path
    folders: list[ClassFolder]
    pictures: list[Seen]
    features: NDArray[np.float32]
    unreadable: list[Odd]
    stray: list[Odd]
    hidden: list[Odd]


def scan(folder: Path, progress: Callable[[int, int], None], processes: int = 1) -> Scan:
    """Look at every file below `folder`, or below its `images`.

    Args:
        folder: of the data.
        progress: called with pictures done and in all.
        processes: how many look at the pictures where these are many, at most.

    Raises:
        DataError: there are no class folders.
    """
    root = folder / "images" if (folder / "images").is_dir() else folder
    folders = class_folders(root)
    wanted = [(one, path) for one in folders for path in find_pictures(one.path)]
    named = [(one, path, path.relative_to(root).as_posix()) for one, path in wanted]
    sound = [path for _, path, key in named if not fault_of_name(key)]
    looks = Looker(f"{__name__}:measures", processes).look(root, sound)
    pictures: list[Seen] = []
    unreadable: list[Odd] = []
    features = np.empty(
        (len(wanted), FEATURES), np.float32
    )  # the memory of rows that nothing is written to is not taken
    for done, (one, path, key) in enumerate(named, start=1):
        if fault := fault_of_name(key):
            unreadable.append(Odd(visible(key), fault))
        elif error := (look := next(looks)).error():
            unreadable.append(Odd(key, str(error).removeprefix(f"{path}: ").split(";")[0]))
        else:
            features[len(pictures)] = np.frombuffer(look.measures, np.float32, offset=_MEASURES.size)
            pictures.append(_seen(one, path, key, look))
        progress(done, len(wanted))
    stray, hidden = _others(folder, root, folders, {path for _, path in wanted})
    return Scan(root, folders, pictures, features[: len(pictures)], unreadable, stray, hidden)


def measures(pixels: Pixels) -> bytes:
    """Measure a picture: width and height, brightness, contrast, sharpness, and its features, packed."""
    height, width = pixels.shape[:2]
    grey = _at_most(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8), SEEN_AT_PX)
    sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    features = simple_features(prepare(pixels, _FEATURES_AT))
    return _MEASURES.pack(width, height, float(grey.mean()), float(grey.std()), sharpness) + features.tobytes()


def _seen(folder: ClassFolder, path: Path, key: str, look: Look) -> Seen:
    width, height, brightness, contrast, sharpness = _MEASURES.unpack_from(look.measures)
    sha256 = look.sha256.hex()
    label, part = folder.label, folder.part
    return Seen(path, key, label, part, sha256, width, height, brightness, contrast, sharpness, look.hash)


def _at_most(grey: Pixels, side_px: int) -> Pixels:
    height, width = grey.shape[:2]
    scale = side_px / min(height, width)
    if scale >= 1:
        return grey
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _others(folder: Path, root: Path, folders: list[ClassFolder], pictures: set[Path]) -> tuple[list[Odd], list[Odd]]:
    """Stray files, and hidden files and folders, wherever they lie."""
    inside = {one.path for one in folders}
    stray, hidden = [], []
    for path in _walk(folder):
        key = path.relative_to(folder if root not in path.parents else root).as_posix()
        if path.name.startswith("."):
            hidden.append(Odd(key, _hidden_says(path)))
        elif path.is_dir() or path in pictures or _is_expected(path, folder, root):
            continue
        elif inside.isdisjoint(path.parents):
            stray.append(Odd(key, "lies in no label's folder"))
        else:
            stray.append(Odd(key, _what_it_is(path)))
    return stray, hidden


def _walk(folder: Path) -> Iterator[Path]:
    """Every entry, sorted; what lies in hidden folders, and behind links to folders, is not looked at."""
    for entry in sorted(folder.iterdir()):
        yield entry
        if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
            yield from _walk(entry)


def _is_expected(path: Path, folder: Path, root: Path) -> bool:
    beside = path.parent in (folder, root)
    return beside and (path.name in _EXPECTED or path.stem.lower() in _EXPECTED_STEMS or path.suffix.lower() == ".csv")


def _hidden_says(path: Path) -> str:
    if not path.is_dir():
        return "hidden file"
    inside = [entry for entry in path.rglob("*") if entry.is_file()]
    pictures = sum(entry.suffix.lower() in PICTURE_SUFFIXES for entry in inside)
    return f"hidden folder; files in it: {len(inside)}, named like pictures: {pictures}"


def _what_it_is(path: Path) -> str:
    try:
        with open_file(path, MAX_PICTURE_FILE_BYTES) as stream, Image.open(stream) as image:
            return f"a picture ({image.format}) of a kind that is passed over"
    except NotAFileError as error:
        return str(error.strerror)
    except Exception:  # noqa: BLE001  # whatever Pillow dislikes is no picture
        return "not a picture"
