from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import waste_edge
from waste_edge import Classifier, Station
from waste_edge.api import Picture
from waste_edge.errors import BundleError, PictureError, UserError, WasteEdgeError
from waste_edge.files.resources import DEMO_CLIP

HEAVY = ("numpy", "cv2", "msgspec", "PIL", "torch", "onnxruntime", "ai_edge_litert", "rich", "typer")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load("small")


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


def test_importing_the_package_imports_nothing_else() -> None:
    command = f"import sys, waste_edge; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_device_side_of_the_interface_imports_no_torch() -> None:
    command = (
        "import sys; from waste_edge import Classifier, Station; print('torch' in sys.modules, 'onnx' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


def test_every_public_name_is_there_and_documented() -> None:
    for name in waste_edge.__all__:
        assert getattr(waste_edge, name).__doc__, name
    assert set(waste_edge.__all__) <= set(dir(waste_edge))
    with pytest.raises(AttributeError, match="no attribute 'Clasifier'"):
        _ = waste_edge.Clasifier  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["path", "text", "array", "image"])
def test_a_picture_of_any_kind_gets_the_same_answer(classifier: Classifier, tmp_path: Path, kind: str) -> None:
    pixels, path = picture(), tmp_path / "picture.png"
    Image.fromarray(pixels).save(path)
    given: dict[str, Picture] = {"path": path, "text": str(path), "array": pixels, "image": Image.fromarray(pixels)}
    answer, expected = classifier.classify(given[kind]), classifier.classify(pixels)
    assert answer.probabilities == expected.probabilities
    assert tuple(answer.probabilities) == classifier.labels
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert answer.confidence == max(answer.probabilities.values())
    assert answer.features.shape == (classifier.bundle.manifest.features,)


def test_many_pictures_come_in_their_order(classifier: Classifier) -> None:
    pictures = [picture(), picture()[::-1].copy()]
    answers = list(classifier.classify_many(pictures))
    assert [one.probabilities for one in answers] == [classifier.classify(one).probabilities for one in pictures]


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_an_array_of_another_kind_is_refused(classifier: Classifier, wrong: np.ndarray) -> None:
    with pytest.raises(PictureError, match="uint8"):
        classifier.classify(wrong)


def test_errors_have_one_root_and_the_builtin_that_a_caller_expects() -> None:
    with pytest.raises(BundleError, match="no such bundle") as caught:
        Classifier.load("./nowhere")
    assert isinstance(caught.value, WasteEdgeError | ValueError)


def test_a_station_tells_of_each_item_and_sums_up() -> None:
    events: list[waste_edge.Event] = []
    summary = Station(source=DEMO_CLIP, site="six_materials").run(events.append, frames=150)
    assert summary.items == len(events) >= 2
    assert all(event.decision.reason for event in events)


def test_a_station_is_iterated_and_left() -> None:
    station = Station(source=DEMO_CLIP, site="six_materials")
    for event in station:
        assert event.decision.stream
        break
    with pytest.raises(UserError, match="no camera"):
        Station()


def test_a_failing_station_raises_in_the_callers_thread(tmp_path: Path) -> None:
    with pytest.raises(waste_edge.CameraError):
        list(Station(source=tmp_path / "none.mp4"))
