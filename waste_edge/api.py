"""The Python interface: classify pictures, run a station, train and export on a workstation.

Every name here is also a name of `waste_edge`:

    from waste_edge import Classifier, Station

Classes and functions of the device side (`Classifier`, `Station`, `Bundle`, `Site`, `Event`, `Decision`, `Prediction`)
need the runtime alone. `train`, `distill`, `export` and `evaluate` of a training run need the `host` extra, and import
torch at their first call. Errors are listed in `waste_edge.errors`; their root is `WasteEdgeError`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.bundle.opening import open_required
from waste_edge.device.config import StationConfig, read_config
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision
from waste_edge.device.loop import Listener
from waste_edge.device.run import RunPlan, run_station
from waste_edge.device.signals import Stop
from waste_edge.device.statistics import Summary
from waste_edge.engines import classifier as engines
from waste_edge.engines.names import EngineName, Precision
from waste_edge.errors import (
    BundleError,
    CameraError,
    ConfigError,
    DataError,
    EngineError,
    GateError,
    GraphError,
    MissingPackageError,
    PictureError,
    RunError,
    UserError,
    WasteEdgeError,
    extra_required,
)
from waste_edge.evaluation.evaluate import Evaluation, PartChoice, evaluate_bundle, without_progress
from waste_edge.files.resources import DEFAULT_BUNDLE, find
from waste_edge.imaging.frames import Pixels, require_pixels
from waste_edge.imaging.image_files import read_picture, rgb_pixels
from waste_edge.site import Site

if TYPE_CHECKING:
    from waste_edge.training.runs import RunInfo

__all__ = [
    "Bundle", "BundleError", "CameraError", "Classifier", "ConfigError", "DataError", "Decision", "EngineError",
    "Evaluation", "Event", "GateError", "GraphError", "MissingPackageError", "PictureError", "Prediction", "RunError",
    "Site", "Station", "UserError", "WasteEdgeError", "distill", "evaluate", "export", "train",
]  # fmt: skip

PathLike = str | os.PathLike[str]
Picture = PathLike | Pixels | Image.Image


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to one picture.

    Attributes:
        label: the most probable label, or "unknown" if the bundle's thresholds reject the picture.
        confidence: calibrated probability of the most probable label, 0 to 1.
        probabilities: calibrated probability of each label, in the model's order.
        known_score: larger is more like the known classes; compared with the bundle's `min_known_score`.
        features: float32 (F,), the pooled features.
        latency_ms: preprocessing and inference, milliseconds.
    """

    label: str
    confidence: float
    probabilities: Mapping[str, float]
    known_score: float
    features: NDArray[np.float32]
    latency_ms: float


class Classifier:
    """Classify pictures with a bundle. Not thread-safe: use one classifier a thread."""

    def __init__(self, bundle: Bundle, classifier: engines.Classifier) -> None:
        self.bundle = bundle
        self._classifier = classifier

    @classmethod
    def load(
        cls,
        bundle: PathLike = DEFAULT_BUNDLE,
        *,
        engine: EngineName = "auto",
        precision: Precision = "int8",
        threads: int = 1,
        require_key: PathLike | None = None,
    ) -> Classifier:
        """Load a bundle and return a ready classifier.

        Args:
            bundle: a folder, a `.zip`, or the name of a shipped bundle ("small", "accurate").
            engine: "onnx", "litert", a plug-in's name, or "auto" for the preferred one that is installed.
            precision: "int8" or "fp32".
            threads: threads of the engine, 1 to 64.
            require_key: public key (PEM) that must have signed the bundle; if None, the one that the environment
                variable WASTE_EDGE_REQUIRE_KEY names.

        Raises:
            BundleError: no such bundle, damaged, or not signed as required.
            MissingPackageError: the engine is not installed.
            EngineError: the engine cannot load the network.
        """
        opened = open_required(os.fspath(bundle), None if require_key is None else Path(require_key))
        try:
            return cls(opened, engines.load_classifier(opened, engine, precision, threads))
        except BaseException:
            opened.close()
            raise

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels, in output order."""
        return self._classifier.labels

    def classify(self, picture: Picture) -> Prediction:
        """Classify one picture.

        Args:
            picture: path of a picture file, uint8 (H, W, 3) RGB array, or PIL image.

        Raises:
            PictureError: the file cannot be read, or the array is not uint8 (H, W, 3).
        """
        answer = self._classifier.classify(_pixels(picture))
        return Prediction(
            label=answer.label,
            confidence=answer.confidence,
            probabilities=dict(zip(self.labels, answer.probabilities.tolist(), strict=True)),
            known_score=answer.known_score,
            features=answer.features,
            latency_ms=answer.latency_ms,
        )

    def classify_many(self, pictures: Iterable[Picture]) -> Iterator[Prediction]:
        """Classify pictures one after the other; yields each `Prediction` as it is ready, in their order.

        Raises:
            PictureError: at the picture that cannot be read.
        """
        for picture in pictures:
            yield self.classify(picture)

    def close(self) -> None:
        """Remove what was unpacked of a zipped bundle."""
        self.bundle.close()

    def __enter__(self) -> Classifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Station:
    """Run a station in this program: read frames, find items, decide each once.

        for event in Station(camera="auto", site="four_bins"):
            print(event.decision.stream, event.decision.reason)

    Sinks, outbox and limits are those of the configuration, as for `waste-edge run`; nothing is printed.
    """

    def __init__(
        self,
        config: StationConfig | PathLike | None = None,
        *,
        camera: str | None = None,
        source: PathLike | None = None,
        bundle: PathLike | None = None,
        site: PathLike | None = None,
        state: PathLike | None = None,
    ) -> None:
        """Read the configuration; open nothing yet.

        Args:
            config: path of a `station.toml`, or a `StationConfig`; None for the defaults.
            camera: "auto", "picamera:0", "/dev/video0", "synthetic"; goes before the configuration's.
            source: a video, a folder of pictures, a picture, or a stream's URL, instead of a camera.
            bundle: goes before the configuration's key, as do the next two.
            site: a `site.toml`, or the name of a shipped one.
            state: folder where events and the learned scene are kept.

        Raises:
            ConfigError: a key is unknown or has a wrong value.
            UserError: neither camera nor source is given, or both are.
        """
        base = StationConfig() if config is None else config
        base = base if isinstance(base, StationConfig) else read_config(Path(base))
        if camera is not None and source is not None:
            raise UserError("Station: camera and source were both given; keep one")
        if camera is not None or source is not None:
            base = msgspec.structs.replace(base, camera=None, source=None)
        given = {"camera": camera, "source": source, "bundle": bundle, "site": site, "state": state}
        changes = {key: os.fspath(value) for key, value in given.items() if value is not None}
        self.config: StationConfig = msgspec.structs.replace(base, **changes)
        if self.config.camera is None and self.config.source is None:
            raise UserError('Station: no camera and no source; give camera="auto", or a source')
        self._stop = Stop()

    def run(
        self,
        on_event: Callable[[Event], object] | None = None,
        *,
        frames: int | None = None,
        duration_s: float | None = None,
        wait: bool = True,
    ) -> Summary:
        """Run until the source ends, a limit is reached, or `stop` is called.

        Args:
            on_event: called with each decided item, in this thread, after it was committed to the outbox.
            frames: end after so many frames.
            duration_s: end after so many seconds, waiting included.
            wait: wait for a camera that is absent, instead of raising CameraError.

        Returns:
            Counts, rates and latency of the run.

        Raises:
            CameraError, BundleError, ConfigError, EngineError: see `waste-edge run`.
        """
        stop = self._stop = Stop()
        listeners = () if on_event is None else (_EventListener(on_event),)
        plan = RunPlan(self.config, False, False, not wait, frames, duration_s, listeners, silent=True)
        return run_station(plan, lambda: plan, stop)

    def stop(self) -> None:
        """End a run after the frame in hand; may be called from another thread or from `on_event`."""
        self._stop.request("stopped by the program")

    def __iter__(self) -> Iterator[Event]:
        """Run in a thread of its own and yield each decided item; leaving the loop stops the run."""
        events: SimpleQueue[Event | None] = SimpleQueue()
        failure: list[BaseException] = []

        def work() -> None:
            try:
                self.run(events.put)
            except BaseException as error:  # noqa: BLE001  # raised again in the caller's thread
                failure.append(error)
            finally:
                events.put(None)

        thread = threading.Thread(target=work, name="waste-edge station", daemon=True)
        thread.start()
        try:
            while (event := events.get()) is not None:
                yield event
        finally:
            self.stop()
            thread.join()
        if failure:
            raise failure[0]


class _EventListener(Listener):
    """Hand decided items to a function."""

    def __init__(self, on_event: Callable[[Event], object]) -> None:
        self._on_event = on_event

    def decided(self, event: Event) -> None:
        self._on_event(event)


def train(
    recipe: PathLike,
    data: PathLike,
    out: PathLike,
    *,
    weights: PathLike | None = None,
    start: PathLike | None = None,
    changes: Sequence[str] = (),
    resume: bool = False,
) -> RunInfo:
    """Train the model of a recipe and leave a run folder, as `waste-edge train` does.

    Args:
        recipe: a `.toml` file, or the name of one in `training/`.
        data: labelled photographs: one folder a label, or a CSV file of path,label.
        out: the run's folder, to be made.
        weights: a `.safetensors` file to start from, instead of a download.
        start: a finished run to go on from.
        changes: replaced recipe keys, e.g. `["fit.epochs=3"]`.
        resume: go on with the unfinished training in `out`.

    Returns:
        What `run.json` holds: recipe, scores, provenance.

    Raises:
        ConfigError, DataError, RunError, PictureError: one line that names what is wrong.
        MissingPackageError: the `train` extra is not installed.
    """
    return _train(recipe, data, out, (), _Options(weights, start, changes, resume))


def distill(
    recipe: PathLike,
    teachers: Sequence[PathLike],
    data: PathLike,
    out: PathLike,
    *,
    weights: PathLike | None = None,
    start: PathLike | None = None,
    changes: Sequence[str] = (),
    resume: bool = False,
) -> RunInfo:
    """Train a student from the runs of one or several teachers, as `waste-edge distill` does.

    Args:
        teachers: run folders; several answer together.
        data: labelled photographs; see `train`.
        recipe: the student's; see `train`.
        out: the run's folder, to be made.
        weights: a `.safetensors` file that the student starts from.
        start: a finished run that the student goes on from.
        changes: replaced recipe keys.
        resume: go on with the unfinished training in `out`.

    Raises:
        UserError: no teacher was given; else see `train`.
    """
    if not teachers:
        raise UserError("distill: no teachers given; give at least one run folder, or call train")
    return _train(recipe, data, out, teachers, _Options(weights, start, changes, resume))


def export(
    run: PathLike,
    data: PathLike,
    out: PathLike,
    *,
    recipe: str = "static_wi8_ai8",
    name: str = "",
    version: str = "1",
    licence: str = "unspecified",
) -> Bundle:
    """Export a run as ONNX and TFLite, FP32 and INT8, and return the opened bundle.

    Args:
        run: a finished run's folder.
        data: the photographs that the run was trained on.
        out: the bundle to make: a folder, or a `.zip` by its name.
        recipe: how to quantize: a `.toml` file, or the name of one in `export/`.
        name: the bundle's name; `out`'s own if empty.
        version: the bundle's version.
        licence: the bundle's licence, written into the manifest.

    Raises:
        GateError: INT8 loses more accuracy than the recipe allows.
        GraphError, DataError, RunError, UserError: one line that names what is wrong.
        MissingPackageError: the `export` extra is not installed.
    """
    with extra_required("export"):
        from waste_edge.export.build import Naming, export_bundle
        from waste_edge.export.recipe import read_export_recipe
        from waste_edge.training.runs import open_run
    target = Path(out)
    naming = Naming(name or target.stem, version, licence)
    recipes = [read_export_recipe(recipe, None)]
    export_bundle(
        open_run(Path(run)), Path(data), target, recipes, naming, lambda words: None, lambda done, total: None
    )
    return open_bundle(target)


def evaluate(model: PathLike, data: PathLike, *, split: PartChoice = "auto") -> Evaluation:
    """Score a bundle or a training run on labelled pictures.

    Args:
        model: a bundle (folder, `.zip` or shipped name) or a run folder.
        data: labelled photographs; see `train`.
        split: "train", "val", "test", "all", or "auto": the validation part of the model's own data, all of any other.

    Returns:
        Scores with 95 % intervals, and a sentence that says which pictures were scored.

    Raises:
        BundleError, RunError, DataError, PictureError: one line that names what is wrong.
        MissingPackageError: a run needs the `train` extra.
    """
    path = Path(model)
    if (path / "run.json").is_file():
        with extra_required("train"):
            from waste_edge.training.evaluation.evaluate import evaluate_run
        scores, protocol = evaluate_run(path, Path(data), split, without_progress)
        return Evaluation(model=str(path), artifact=None, engine="torch", protocol=protocol, scores=scores)
    with open_required(os.fspath(model)) as bundle:
        return evaluate_bundle(bundle, Path(data), None, split)


@dataclass(frozen=True)
class _Options:
    """The options that `train` and `distill` share."""

    weights: PathLike | None
    start: PathLike | None
    changes: Sequence[str]
    resume: bool


def _train(recipe: PathLike, data: PathLike, out: PathLike, teachers: Sequence[PathLike], options: _Options) -> RunInfo:
    with extra_required("train"):
        from waste_edge.training.distributed import process_group
        from waste_edge.training.loop.training_loop import LoggingWatcher
        from waste_edge.training.recipe import read_recipe
        from waste_edge.training.runs import open_run
        from waste_edge.training.train import train as train_request
        from waste_edge.training.train_request import TrainRequest
    given = os.fspath(recipe)
    with process_group():
        order = TrainRequest(
            recipe=read_recipe(given, options.changes),
            data=Path(data),
            out=Path(out),
            watch=lambda one: LoggingWatcher(one.name),
            beside=find(given, "training").parent,
            weights=None if options.weights is None else Path(options.weights),
            teachers=[open_run(Path(teacher)) for teacher in teachers],
            start=None if options.start is None else open_run(Path(options.start)),
            resume=options.resume,
        )
        return train_request(order)


def _pixels(picture: Picture) -> Pixels:
    """A picture of any accepted kind as uint8 (H, W, 3) RGB."""
    if isinstance(picture, Image.Image):
        return rgb_pixels(picture)
    if isinstance(picture, np.ndarray):
        try:
            require_pixels(picture)
        except ValueError as error:
            raise PictureError(f"array: {error}; convert it to RGB bytes first") from error
        return picture
    return read_picture(Path(picture))
