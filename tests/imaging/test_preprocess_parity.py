"""Preprocessing is part of the model: odd frames through training's path, calibration's and the device's.

All must give the network the tensors that an independent float implementation made
(`tests/data/make_preprocess_tensors.py`), at most one level off, on every processor.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.data.make_preprocess_tensors import SPECS, TENSORS, OddFrame, frames, rgb_of, tensor_of
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.manifest import Manifest
from waste_edge.dataset import Photo
from waste_edge.engines.classifier import Classifier
from waste_edge.engines.engine import Output
from waste_edge.imaging.frames import Frame, Pixels, rgb_from_bgr, rgb_from_yuv420
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.rejection import Scorer

Bytes = NDArray[np.uint8]
FRAMES = frames()


@pytest.fixture(scope="module")
def tensors() -> dict[str, Bytes]:
    with np.load(TENSORS, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


@pytest.fixture(scope="module")
def photo_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Photo]:
    """The frames' pictures as files, which is how training meets them."""
    folder, photos = tmp_path_factory.mktemp("odd"), {}
    for index, (name, frame) in enumerate(FRAMES.items()):
        path = folder / f"{index}.png"
        Image.fromarray(np.rint(rgb_of(frame)).astype(np.uint8)).save(path, compress_level=1)
        photos[name] = Photo(key=path.name, label="any", path=path, group=path.name)
    return photos


@pytest.fixture(scope="module")
def manifest(default_bundle: Path) -> Manifest:
    """The shipped one: reading it takes no engine, which an emulated board may not have."""
    return open_bundle(default_bundle).manifest


class _Eye:
    """An engine that keeps what it is shown."""

    name = "eye"

    def __init__(self) -> None:
        self.seen: list[Pixels] = []

    def infer(self, pixels: Pixels) -> Output:
        self.seen.append(pixels.copy())
        return Output(np.zeros(3, np.float32), np.zeros(3, np.float32))


def captured(frame: OddFrame) -> Frame:
    """The frame as the device's camera code makes it."""
    convert = {
        "rgb": lambda: frame.raw,
        "bgr": lambda: rgb_from_bgr(frame.raw),
        "yuv420": lambda: rgb_from_yuv420(frame.raw, frame.width_px, frame.height_px),
    }
    return Frame(convert[frame.layout](), captured_ns=0)


def assert_close(got: NDArray[np.generic], expected: Bytes) -> None:
    assert got.shape == expected.shape
    assert int(np.abs(got.astype(np.int64) - expected.astype(np.int64)).max()) <= 1


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", FRAMES)
def test_the_device_gives_the_network_the_stored_tensor(
    name: str, spec: str, tensors: dict[str, Bytes], manifest: Manifest
) -> None:
    eye, changed = _Eye(), msgspec.structs.replace(manifest, input=SPECS[spec])
    Classifier(eye, changed, "onnx-int8", Scorer("max_logit")).classify(captured(FRAMES[name]).pixels)
    (seen,) = eye.seen
    assert seen.dtype == np.uint8
    assert_close(seen, tensors[f"{name}.{spec}"])


@pytest.mark.parametrize("spec", SPECS)
def test_training_gives_the_network_the_stored_tensors(
    spec: str, tensors: dict[str, Bytes], photo_files: dict[str, Photo]
) -> None:
    import torch

    from waste_edge.training.evaluation.evaluate import predict_logits

    class Recorder(torch.nn.Module):
        """A network that keeps what it is shown: float (B, 3, H, W) in [-1, 1)."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.seen: list[NDArray[np.float32]] = []

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            self.seen.extend(x.numpy())
            return torch.zeros(len(x), 3), torch.zeros(len(x), 3)

    recorder = Recorder()
    predict_logits(recorder, list(photo_files.values()), SPECS[spec], batch=3)
    for name, normalized in zip(photo_files, recorder.seen, strict=True):
        levels = normalized.transpose(1, 2, 0) * 128 + 128
        assert np.array_equal(levels, np.rint(levels)), "normalization must be exact"
        assert_close(levels, tensors[f"{name}.{spec}"])


@pytest.mark.parametrize("spec", SPECS)
def test_calibration_sees_the_stored_tensors(
    spec: str, tensors: dict[str, Bytes], photo_files: dict[str, Photo]
) -> None:
    from waste_edge.export.quantization.calibrate import prepared

    for name, pixels in zip(photo_files, prepared(list(photo_files.values()), SPECS[spec]), strict=True):
        assert_close(pixels, tensors[f"{name}.{spec}"])


def test_the_stored_tensors_are_small_and_the_scripts_own(tensors: dict[str, Bytes]) -> None:
    assert TENSORS.stat().st_size < 300_000
    assert set(tensors) == {f"{name}.{spec}" for name in FRAMES for spec in SPECS}
    for name in ("1x1", "1:4", "yuv420"):  # the small ones, so that script and file cannot drift apart
        for spec, definition in SPECS.items():
            assert_close(tensors[f"{name}.{spec}"], tensor_of(FRAMES[name], definition))


@pytest.mark.parametrize(
    "change",
    [{"resize": "letterbox"}, {"blur_sigma_px": 1.0}, {"width_px": 56, "height_px": 56}],
    ids=["policy", "blur", "size"],
)
def test_another_manifest_gives_another_tensor(
    change: dict[str, object], tensors: dict[str, Bytes], manifest: Manifest
) -> None:
    eye, other = _Eye(), msgspec.structs.replace(SPECS["crop"], **change)
    Classifier(eye, msgspec.structs.replace(manifest, input=other), "onnx-int8", Scorer("max_logit")).classify(
        captured(FRAMES["portrait"]).pixels
    )
    assert isinstance(other, InputSpec)
    with pytest.raises(AssertionError):
        assert_close(eye.seen[0], tensors["portrait.crop"])
