"""A run on disk: `run.json`, `model.safetensors`, `metrics.jsonl`, `split.csv`, `curves.png`."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from waste_edge.dataset import Dataset, Part, Photo, text_of
from waste_edge.errors import ConfigError, RunError
from waste_edge.files.atomic import sha256_of, write_atomically
from waste_edge.files.resources import commit_of_code
from waste_edge.files.strict import Strict, read_json, to_json
from waste_edge.files.text import first_line
from waste_edge.metrics.classification import Scores
from waste_edge.plugins import resolve
from waste_edge.taxonomy import check_labels
from waste_edge.training.input_pipeline.inputs import InputReader, Tokenize
from waste_edge.training.networks import build_network
from waste_edge.training.quantization_aware.fake_quantization import FakeQuantized, TrainedRange
from waste_edge.training.recipe import Recipe

RUN_NAME = "run.json"
WEIGHTS_NAME = "model.safetensors"
SPLIT_NAME = "split.csv"
_LIBRARIES = ("torch", "torchvision", "numpy", "opencv-python-headless", "pillow")


class RunInfo(Strict, frozen=True):
    """`run.json`: what was trained, from what, on what, and how well it did.

    Attributes:
        created: UTC, ISO 8601; a bundle made from the run carries the same time.
        teacher: name and weights' SHA-256 of the teacher; empty if there was none.
        scores: on the validation part; None if the recipe keeps none.
        test_scores: on the test part, looked at once when the training was over; None if the recipe keeps none.
        seconds: wall time of the training.
        ranges: how each activation was rounded, if the training was quantization-aware; empty if it was not.
        leaks: for a model that reads text, in which ways the text alone gives the label away.
        members: of a model put together from others: their sub-folders, each with the SHA-256 of its weights.
        alpha: share of the text's logits in a weighted fusion.
        domains: pictures of each source of a domains file that taught it beside `data`.
        left_out: sources of that file that were kept away on purpose.
    """

    schema: Literal[1]
    created: str
    recipe: Recipe
    labels: list[str]
    data: str
    data_fingerprint: str
    grouped: bool
    pictures: dict[Part, int]
    rendered_pictures: int
    initial_weights: str
    initial_weights_sha256: str
    teacher: str
    weights_sha256: str
    libraries: dict[str, str]
    commit: str
    seconds: float
    scores: Scores | None
    ranges: list[TrainedRange] = msgspec.field(default_factory=list)
    test_scores: Scores | None = None
    leaks: list[str] = msgspec.field(default_factory=list)
    members: dict[str, str] = msgspec.field(default_factory=dict)
    alpha: float | None = None
    domains: dict[str, int] = msgspec.field(default_factory=dict)
    left_out: list[str] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        check_labels(self.labels)


@dataclass(frozen=True, eq=False)
class Run:
    """An opened run: its facts and its float network, in evaluation mode.

    Attributes:
        tokenize: of a model that reads text; None for one of pictures alone.
        members: of a model put together from others, by name.
    """

    folder: Path
    info: RunInfo
    network: nn.Module
    tokenize: Tokenize | None = None
    members: dict[str, Run] = field(default_factory=dict)

    def reader(self) -> InputReader:
        """Turns photographs into what the network takes."""
        reader = reader_of(self.info.recipe, self.tokenize)
        text = self.members.get("text")
        return replace(reader, text_of=text.reader().text_of) if text else reader

    def as_trained(self) -> nn.Module:
        """The network whose scores the run wrote down: the one under INT8 rounding if it was trained so.

        Raises:
            RunError: the trained ranges are not this network's.
        """
        return FakeQuantized(self.network).restore(self.info.ranges).eval() if self.info.ranges else self.network


CompositeBuilder = Callable[[Path, RunInfo, dict[str, Run]], tuple[nn.Module, Tokenize | None]]


@dataclass(frozen=True, eq=False)
class TrainedOn:
    """Source of a run: its recipe, and the photographs in `data`, in parts."""

    recipe: Recipe
    data: Path
    dataset: Dataset
    parts: Mapping[Part, Sequence[Photo]]


def run_info(source: TrainedOn, begun: tuple[str, str], weights_sha256: str, seconds: float, **facts: Any) -> RunInfo:
    """Put `run.json` together.

    Args:
        source: recipe and photographs.
        begun: what it started from, in words, and the SHA-256 of that.
        weights_sha256: of what was trained.
        seconds: wall time that it took.
        facts: further fields of `RunInfo`; `libraries` are names of those that shaped it besides those of every run.
    """
    libraries = library_versions() | library_versions(tuple(facts.pop("libraries", ())))
    further: dict[str, Any] = {"rendered_pictures": 0, "teacher": "", "scores": None} | facts
    dataset = source.dataset
    return RunInfo(
        schema=1,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        recipe=source.recipe,
        labels=list(dataset.labels),
        data=source.data.resolve().name,
        data_fingerprint=dataset.fingerprint(),
        grouped=dataset.grouped,
        pictures={part: len(photos) for part, photos in source.parts.items()},
        initial_weights=begun[0],
        initial_weights_sha256=begun[1],
        weights_sha256=weights_sha256,
        libraries=libraries,
        commit=commit_of_code(),
        seconds=round(seconds, 1),
        **further,
    )


def save_weights(folder: Path, network: nn.Module) -> str:
    """Write the checkpoint in one piece; returns its SHA-256."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_atomically(folder / WEIGHTS_NAME, save(state))
    return sha256_of(folder / WEIGHTS_NAME)


def save_info(folder: Path, info: RunInfo) -> None:
    """Write `run.json`: the last file of a run, so that its presence means the run is finished."""
    write_atomically(folder / RUN_NAME, to_json(info))


def save_split(folder: Path, parts: dict[Part, list[Photo]]) -> None:
    """Write which picture is in which part: a split one can read and keep."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "label", "group", "part"])
    for part, photos in parts.items():
        writer.writerows([photo.key, photo.label, photo.group, part] for photo in photos)
    write_atomically(folder / SPLIT_NAME, text.getvalue())


def open_run(folder: Path) -> Run:
    """Open a finished run.

    Raises:
        RunError: missing, unfinished, damaged, or of another version; the message names the file.
    """
    if not (folder / RUN_NAME).is_file():
        state = "no finished run" if (folder / WEIGHTS_NAME).is_file() else "no run"
        raise RunError(f"{folder}: {state} (no {RUN_NAME}); waste-edge train and distill make them")
    try:
        info = read_json(folder / RUN_NAME, RunInfo)
    except ConfigError as error:
        raise RunError(f"{error}; was it made by another version of waste-edge?") from error
    if info.members:
        return _put_together(folder, info)
    path = folder / WEIGHTS_NAME
    if not path.is_file() or sha256_of(path) != info.weights_sha256:
        raise RunError(f"{path}: missing or damaged (its SHA-256 is not the one in {RUN_NAME}); train again")
    return rebuilt(folder, info)


def sum_of_members(members: dict[str, str]) -> str:
    """The `weights_sha256` of a model put together from others: the SHA-256 of its members' names and sums."""
    return hashlib.sha256("\n".join(f"{name} {members[name]}" for name in sorted(members)).encode()).hexdigest()


def open_members(folder: Path, info: RunInfo) -> dict[str, Run]:
    """The runs in a run's sub-folders, each verified to be the one it was put together from.

    Raises:
        RunError: one is missing, damaged, or another one.
    """
    if sum_of_members(info.members) != info.weights_sha256:
        raise RunError(f"{folder / RUN_NAME}: `members` do not agree with `weights_sha256`; train again")
    members = {name: open_run(folder / name) for name in info.members}
    for name, run in members.items():
        if run.info.weights_sha256 != info.members[name]:
            raise RunError(f"{folder / name}: is not the run that {folder} was put together from; train again")
    return members


def _put_together(folder: Path, info: RunInfo) -> Run:
    """A run made of others; each kind builds its network above theirs."""
    members = open_members(folder, info)
    network, tokenize = _composite_of(folder, info, members)
    return Run(folder, info, network.eval(), tokenize, members)


def _composite_of(folder: Path, info: RunInfo, members: dict[str, Run]) -> tuple[nn.Module, Tokenize | None]:
    """The network of a run that its recipe's kind builds, and what tokenizes for it."""
    composite = info.recipe.composite
    if composite is None:
        raise RunError(f"{folder}: a run of a kind that this version cannot open")
    return cast(CompositeBuilder, resolve(composite.builder))(folder, info, members)


def rebuilt(folder: Path, info: RunInfo) -> Run:
    """The run of these facts, its network built again and its weights read from the folder.

    Raises:
        RunError: the weights do not fit the recipe.
    """
    path = folder / WEIGHTS_NAME
    network, tokenize = _network_of(folder, info)
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise RunError(f"{path}: does not fit the recipe in {RUN_NAME} ({first_line(error)})") from error
    network.eval()
    return Run(folder, info, network, tokenize)


def _network_of(folder: Path, info: RunInfo) -> tuple[nn.Module, Tokenize | None]:
    """The run's network before its weights are read, and what tokenizes for it."""
    model, text, fusion = info.recipe.model, info.recipe.text, info.recipe.fusion
    classes = len(info.labels)
    if info.recipe.composite is not None:
        return _composite_of(folder, info, {})
    if text is None:
        if model is None:
            raise RunError(f"{folder}: a run of a kind that this version cannot open")
        return build_network(model, classes), None
    from waste_edge.training.networks.text import TextNetwork, encoder_of_run

    encoder, tokenize = encoder_of_run(folder, text)
    if model is None or fusion is None:
        return TextNetwork(encoder, classes, text.dropout), tokenize
    from waste_edge.training.networks.fusion import ConcatenatedNetwork

    image = build_network(model, classes)
    return ConcatenatedNetwork(image, encoder, classes, fusion, (model.dropout, text.dropout)), tokenize


def library_versions(names: tuple[str, ...] = _LIBRARIES) -> dict[str, str]:
    """Installed versions of the libraries that shape a result."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def reader_of(recipe: Recipe, tokenize: Tokenize | None) -> InputReader:
    """Build the reader that turns photographs into the inputs of a recipe's model."""
    if recipe.text is None:
        return InputReader(recipe.input, tokenize)
    return InputReader(recipe.input, tokenize, partial(text_of, source=recipe.text.source))
