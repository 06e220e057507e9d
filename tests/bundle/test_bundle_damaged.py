"""Ten thousand damaged bundles a parser: nothing but a bundle's error leaves it, soon, and without much memory."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from waste_edge.bundle.arrays import Arrays
from waste_edge.bundle.bundle import open_bundle, pack
from waste_edge.bundle.files import NetworkFile
from waste_edge.bundle.manifest import MANIFEST_NAME
from waste_edge.engines.graph.untrusted import check_network
from waste_edge.errors import BundleError
from waste_edge.files.resources import BUNDLES

INPUTS, SLOWEST_S, MOST_MB = 10_000, 20.0, 300
Try = Callable[[bytes], None]

ODD = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308),
    *("", " ", "\0", "\x1b[2J", "x" * 100_000),
    *([], {}, [[]], [{}], {"": ""}, "../../etc/passwd", "/etc/passwd", "unknown", "Unknown", "\ud800", "é", "e\u0301"),
]  # fmt: skip


def damaged(whole: bytes, generator: np.random.Generator) -> bytes:
    """A few changed bytes, a piece cut out, doubled or moved."""
    content = bytearray(whole)
    for place in generator.integers(0, len(content), generator.integers(0, 6)):
        content[place] = generator.integers(256)
    first, second = sorted(int(place) for place in generator.integers(0, len(content), 2))
    match generator.integers(5):
        case 0:
            del content[first:]
        case 1:
            del content[first : min(second, first + 64)]
        case 2:
            content[first:first] = content[second : second + 64]
        case 3:
            content[first : first + 8] = generator.choice([b"\xff" * 8, b"\0" * 8, b"\x7f" * 8])
    return bytes(content)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value of a JSON document, the inner ones too."""
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*path, key))


def with_odd_value(whole: bytes, generator: np.random.Generator) -> bytes:
    """A manifest in which one value is another, one is missing, or one is there that should not be."""
    document = json.loads(whole)
    ways = list(leaves(document))[1:]
    way = ways[generator.integers(len(ways))]
    target = document
    for key in way[:-1]:
        target = target[key]
    match generator.integers(3):
        case 0:
            del target[way[-1]]
        case 1:
            target[way[-1]] = ODD[generator.integers(len(ODD))]
        case 2 if isinstance(target, dict):
            target["surplus"] = ODD[generator.integers(len(ODD))]
    return json.dumps(document).encode("utf-8", "surrogatepass")


def fuzz(attempt: Try, make: Callable[[np.random.Generator], bytes], count: int) -> int:
    """How many were refused; the seed is fixed, so that a failure comes again."""
    generator, refused = np.random.default_rng(20), 0
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for index in range(count):
        content = make(generator)
        started = time.monotonic()
        try:
            attempt(content)
        except BundleError as error:
            refused += 1
            assert "\n" not in str(error), index  # noqa: PT017
            assert len(str(error)) < 2_000, index  # noqa: PT017
        assert time.monotonic() - started < SLOWEST_S, index
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb < MOST_MB
    return refused


def parsers(folder: Path, copy: Path) -> dict[str, tuple[Try, Callable[[np.random.Generator], bytes]]]:
    """Each parser of a bundle, with what makes its inputs."""
    pack(folder, copy.parent / "whole.zip")
    packed = (copy.parent / "whole.zip").read_bytes()
    manifest = (folder / MANIFEST_NAME).read_bytes()

    def whole(content: bytes, name: str) -> None:
        path = copy / name if name == MANIFEST_NAME else copy.parent / name
        path.write_bytes(content)
        with open_bundle(copy if name == MANIFEST_NAME else path) as bundle:
            bundle.verify_checksums()
            bundle.known_scorer()
            bundle.golden()

    small = open_bundle(BUNDLES / "small")
    onnx, tflite = small.artifact("onnx-int8").content, small.artifact("tflite-int8").content
    golden = (folder / "golden.npz").read_bytes()

    def network(content: bytes, artifact: Any) -> None:
        check_network(NetworkFile(Path("x"), content), artifact, small.manifest)

    def array(content: bytes) -> None:
        Arrays(content, "b: golden.npz").take("pixels", (3, 16, 16, 3), np.uint8)

    return {
        "zip": (lambda content: whole(content, "a.zip"), lambda generator: damaged(packed, generator)),
        "manifest bytes": (
            lambda content: whole(content, MANIFEST_NAME),
            lambda generator: damaged(manifest, generator),
        ),
        "manifest values": (
            lambda content: whole(content, MANIFEST_NAME),
            lambda generator: with_odd_value(manifest, generator),
        ),
        "npz": (array, lambda generator: damaged(golden, generator)),
        "onnx": (lambda content: network(content, "onnx-int8"), lambda generator: damaged(onnx[:30_000], generator)),
        "onnx whole": (lambda content: network(content, "onnx-int8"), lambda generator: damaged(onnx, generator)),
        "tflite": (lambda content: network(content, "tflite-int8"), lambda generator: damaged(tflite, generator)),
    }


@pytest.mark.parametrize("parser", ["zip", "manifest bytes", "manifest values", "npz", "onnx", "onnx whole", "tflite"])
@pytest.mark.parametrize("count", [60, pytest.param(INPUTS, marks=pytest.mark.long)])
def test_damaged_input(tiny_bundle: Path, bundle_copy: Path, parser: str, count: int) -> None:
    attempt, make = parsers(tiny_bundle, bundle_copy)[parser]
    assert fuzz(attempt, make, count) > count / 4
