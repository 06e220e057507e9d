"""Fixtures shared by all tests: a tiny bundle made on the spot, coloured photographs, and the command line."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.reading import fused_run, reading_recipes, talking_photos, tiny_encoder
from tests.sharing import pytest_xdist_make_scheduler
from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.manifest import (
    MANIFEST_NAME,
    Artifact,
    ArtifactName,
    ArtifactScores,
    Calibration,
    FileEntry,
    Golden,
    Manifest,
    Metrics,
    Provenance,
    Tolerance,
)
from waste_edge.dataset import SplitSpec, open_dataset
from waste_edge.engines.engine import Output, load_engine
from waste_edge.engines.trial import known_good
from waste_edge.files.atomic import sha256_of
from waste_edge.files.resources import BUNDLES, DEFAULT_BUNDLE
from waste_edge.files.strict import to_json
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.metrics.classification import score

# Fixtures of models that read, and how workers share the suite.
__all__ = ["fused_run", "pytest_xdist_make_scheduler", "reading_recipes", "talking_photos", "tiny_encoder"]

# A shell that starts the suite in the background lets it ignore Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored, which a station heeds

COLOURS = {"blue": (30, 30, 220), "green": (30, 220, 30), "red": (220, 30, 30)}
SIZE_PX = 16


class Outcome(NamedTuple):
    """What a command ended with and wrote."""

    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What the tests' verbs and stations keep is kept apart from what the user of this machine does."""
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        os.environ[name] = str(tmp_path_factory.mktemp(name.lower()))


@pytest.fixture(autouse=True)
def all_known_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles made by a test are known good, so that not each costs a process; `trials` takes that back."""
    monkeypatch.setattr(known_good, "is_known_good", lambda *_: True)


@pytest.fixture
def trials(all_known_good: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Networks are tried in a child first, and nothing is known good but what ships; the file that keeps what is."""
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "waste-edge" / "known-good.json"


@pytest.fixture
def waste_edge(capfd: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `waste-edge ARGUMENTS...` in this process, with what C libraries write captured too."""

    def call(*arguments: object) -> Outcome:
        from waste_edge.cli.main import main

        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        code = ended.value.code
        return Outcome(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' data and weights, which no clone carries."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data" / "trashnet").is_dir():
        pytest.skip("../shared (TrashNet and pretrained weights) is not here")
    return folder


def write_photos(folder: Path, counts: dict[str, int]) -> Path:
    """A data folder of coloured squares: so many of each label."""
    generator = np.random.default_rng(3)
    for label, count in counts.items():
        (folder / label).mkdir(parents=True)
        for index in range(count):
            Image.fromarray(colour_picture(label, generator)).save(folder / label / f"{index}.png")
    return folder


@pytest.fixture(scope="session")
def colour_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled pictures that any classifier of colours tells apart: 3 labels x 10, two pictures a group."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(1)
    lines = ["file,group"]
    for label in COLOURS:
        (folder / "images" / label).mkdir(parents=True)
        for index in range(10):
            name = f"{label}/{index}.png"
            Image.fromarray(colour_picture(label, generator)).save(folder / "images" / name)
            lines.append(f"{name},{label}-{index // 2}")
    (folder / "groups.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, colour_photos: Path, own_cache: None) -> Path:
    """A real bundle of two ONNX networks that name the mean colour. Copy it (`bundle_copy`) to change it."""
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    folder.mkdir()
    write_tiny_bundle(folder, open_dataset(colour_photos).fingerprint())
    with open_bundle(folder) as bundle:  # so that processes that a test starts need not try it first
        known_good.remember(bundle, list(bundle.manifest.artifacts))
    return folder


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """The tiny bundle, yours to damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


@pytest.fixture
def opened_tiny(tiny_bundle: Path) -> Bundle:
    return open_bundle(tiny_bundle)


@pytest.fixture(scope="session")
def default_bundle() -> Path:
    """The bundle that ships with the package."""
    folder = BUNDLES / DEFAULT_BUNDLE
    if not folder.is_dir():
        pytest.fail(f"{folder} is missing; make model makes it")
    return folder


@pytest.fixture
def edit_manifest() -> Callable[[Path, str, Any], None]:
    """Sets one key of a bundle's manifest, e.g. `edit_manifest(folder, "input.resize", "stretch")`."""

    def edit(folder: Path, dotted_key: str, value: Any) -> None:
        path = folder / MANIFEST_NAME
        document = json.loads(path.read_text(encoding="utf-8"))
        *parents, last = dotted_key.split(".")
        target = document
        for key in parents:
            target = target[key]
        target[last] = value
        path.write_text(json.dumps(document), encoding="utf-8")

    return edit


@pytest.fixture
def give_known_score(edit_manifest: Callable[[Path, str, Any], None]) -> Callable[..., None]:
    """Makes a bundle judge by what a file holds: `give_known_score(folder, "linear", threshold, weights=…, bias=…)`."""

    def give(folder: Path, score_name: str, threshold: float, **arrays: Any) -> None:
        path = folder / "known_score.npz"
        np.savez(path, **{key: np.asarray(values, np.float32) for key, values in arrays.items()})
        entry = {"file": path.name, "size_bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for key, value in (("known_score", score_name), ("known_parameters", entry), ("min_known_score", threshold)):
            edit_manifest(folder, f"calibration.{key}", value)

    return give


@pytest.fixture
def replace_file(edit_manifest: Callable[[Path, str, Any], None]) -> Callable[[Path, str, bytes], None]:
    """Gives one of a bundle's files another content that the manifest vouches for, e.g. `golden`."""

    def replace(folder: Path, dotted_key: str, content: bytes) -> None:
        document: Any = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        for key in dotted_key.split("."):
            document = document[key]
        path = folder / document["file"]
        path.write_bytes(content)
        edit_manifest(folder, f"{dotted_key}.sha256", sha256_of(path))
        edit_manifest(folder, f"{dotted_key}.size_bytes", len(content))

    return replace


def colour_picture(label: str, generator: np.random.Generator, size_px: int = 24) -> NDArray[np.uint8]:
    """A noisy square in one of COLOURS: uint8 (size_px, size_px, 3)."""
    noise = generator.integers(-25, 26, (size_px, size_px, 3))
    return np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)


def write_tiny_bundle(folder: Path, data_fingerprint: str) -> None:
    """Fill `folder` with a bundle whose networks are built node by node, no training involved."""
    generator = np.random.default_rng(2)
    pixels = np.stack([colour_picture(label, generator, SIZE_PX) for label in COLOURS])
    names: tuple[ArtifactName, ...] = ("onnx-fp32", "onnx-int8")
    for name in names:
        (folder / f"{name}.onnx").write_bytes(tiny_network(quantized=name == "onnx-int8"))
    np.savez(folder / "golden.npz", pixels=pixels)  # its outputs follow once the manifest's shapes are known
    manifest = tiny_manifest(folder, names, data_fingerprint)
    outputs = {name: _answers(folder / f"{name}.onnx", name, manifest, pixels) for name in names}
    arrays = {f"{name}.{kind}": getattr(out, kind) for name, out in outputs.items() for kind in ("logits", "features")}
    np.savez(folder / "golden.npz", pixels=pixels, **arrays)
    manifest = tiny_manifest(folder, names, data_fingerprint)
    (folder / MANIFEST_NAME).write_text(to_json(manifest), encoding="utf-8")


def _answers(path: Path, name: ArtifactName, manifest: Manifest, pixels: NDArray[np.uint8]) -> Output:
    engine = load_engine(path, name, manifest)
    answers = [engine.infer(picture) for picture in pixels]
    return Output(np.stack([a.logits for a in answers]), np.stack([a.features for a in answers]))


def tiny_network(quantized: bool, labels: int = 3) -> bytes:
    """ONNX: pixels uint8 (1, 16, 16, 3) -> features (1, 3), the mean colour, -> logits (1, labels)."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((3, labels), np.float32)
    for column, colour in enumerate(list(COLOURS.values())[:labels]):
        weights[int(np.argmax(colour)), column] = 6.0
    constants = {"offset": np.float32(128), "scale": np.float32(1 / 128), "weights": weights}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["levels", "offset"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["normal"]),
        helper.make_node("ReduceMean", ["normal"], ["mean" if quantized else "features"], axes=[1, 2], keepdims=0),
    ]
    if quantized:
        constants["zero"] = np.int8(0)
        nodes.append(helper.make_node("QuantizeLinear", ["mean", "scale", "zero"], ["steps"]))
        nodes.append(helper.make_node("DequantizeLinear", ["steps", "scale", "zero"], ["features"]))
    nodes.append(helper.make_node("MatMul", ["features", "weights"], ["logits"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, (1, SIZE_PX, SIZE_PX, 3))],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, (1, labels)),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, (1, 3)),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())


def tiny_manifest(folder: Path, names: tuple[ArtifactName, ...], data_fingerprint: str) -> Manifest:
    def entry(file: str) -> dict[str, Any]:
        path = folder / file
        return {"file": file, "size_bytes": path.stat().st_size, "sha256": sha256_of(path)}

    (folder / "card.md").write_text("# Tiny\n\nNames a colour.\n", encoding="utf-8")
    scores = score(np.eye(3), np.arange(3), list(COLOURS))
    measured = ArtifactScores(scores=scores, agreement=1.0, max_logit_difference=0.0, mean_logit_difference=0.0)
    return Manifest(
        schema=1,
        name="tiny",
        version="1.0",
        created="2025-11-21T00:00:00+00:00",
        licence="Apache-2.0",
        labels=list(COLOURS),
        input=InputSpec(width_px=SIZE_PX, height_px=SIZE_PX),
        features=3,
        parameters=9,
        artifacts={n: Artifact(**entry(f"{n}.onnx"), macs=9, scheme="static_wi8_ai8") for n in names},
        calibration=Calibration(temperature=1.0, min_confidence=0.5, min_known_score=1.0, fitted_on="no pictures"),
        golden=Golden(
            **entry("golden.npz"),
            pictures=len(COLOURS),
            tolerance={name: Tolerance(logits=0.05, features=0.02) for name in names},
        ),
        metrics=Metrics(protocol="three made-up answers", artifacts=dict.fromkeys(names, measured)),
        provenance=Provenance(
            recipe="tests/conftest.py",
            export_recipe="tests/conftest.py",
            data="coloured squares",
            data_fingerprint=data_fingerprint,
            split=SplitSpec(seed=0, val_fraction=0.2),
            rendered_pictures=0,
            initial_weights="none",
            initial_weights_sha256="",
            teacher="",
            calibration_pictures=0,
            calibration_fingerprint="",
            libraries={"numpy": np.__version__},
            commit="",
        ),
        tree={"red": "warm"},
        extra_files=[FileEntry(**entry("card.md"))],
    )
