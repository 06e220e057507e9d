"""Logistic regression on a frozen encoder's embeddings (Radford et al. 2021, section 3.2).

Each embedding is computed once, then kept on disk by what it depends on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from waste_edge.dataset import Dataset, Part, Photo, split_to_train
from waste_edge.dataset.remembered import open_store
from waste_edge.errors import ConfigError, DataError, RunError, UserError
from waste_edge.evaluation.evaluate import Progress, truth_of
from waste_edge.files.atomic import folder_in_one_piece
from waste_edge.files.strict import to_json
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.metrics.classification import Scores, score, softmax
from waste_edge.training.composites.common import OF_VIEWS, alone, check_pictures, refuse_parts
from waste_edge.training.input_pipeline.inputs import InputReader
from waste_edge.training.networks.clip import ClipProbe, identity, load_encoder, rebuild_probe, save_encoder_config
from waste_edge.training.recipe import ProbeSpec
from waste_edge.training.runs import Run, RunInfo, TrainedOn, run_info, save_info, save_split, save_weights
from waste_edge.training.train_request import TrainRequest

_FORMAT = 1  # raise it when pictures are prepared in another way, or entries are written in another way
STORE_NAME = "embeddings.sqlite"
_TABLE = "embeddings (name BLOB PRIMARY KEY, sum BLOB NOT NULL, content BLOB NOT NULL)"
_UNUSED = ("fit", "tree", *OF_VIEWS, "distill", "quantize_aware")
_PARTS: tuple[Part, ...] = ("train", "val", "test")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/waste-edge/embeddings`, by default below `~/.cache`."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"  # as its specification wants it
    return base / "waste-edge" / "embeddings"


class EmbeddingCache:
    """One SQLite file of embeddings, called by the sum of picture, encoder and preprocessing.

    No entry is believed that does not carry the checksum of its name and content: a damaged or misplaced one is
    computed again, and a damaged file begun anew.
    """

    def __init__(self, folder: Path, encoder: str, spec: InputSpec, size: int) -> None:
        """Say whose embeddings are wanted.

        Args:
            folder: see `cache_folder`.
            encoder: its `identity`.
            spec: how pictures are prepared for it.
            size: length of an embedding.

        Raises:
            UserError: the folder cannot be made or written.
        """
        self._folder, self._size = folder, size
        self._whose = f"{_FORMAT}\0{encoder}\0{to_json(spec)}\0"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = open_store(folder / STORE_NAME, _TABLE)
        except OSError as error:
            raise UserError(
                f"{folder}: cannot be made ({error.strerror}); set XDG_CACHE_HOME to a place that can"
            ) from error
        except sqlite3.Error as error:
            raise self._not_written(error) from error

    def get(self, picture: str) -> NDArray[np.float32] | None:
        """The embedding of a picture by its SHA-256, if there is one that can be trusted."""
        name = self._name(picture)
        try:
            row = self._connection.execute("SELECT sum, content FROM embeddings WHERE name = ?", (name,)).fetchone()
        except sqlite3.Error as error:
            raise self._not_written(error) from error
        if row is None or len(row[1]) != 4 * self._size or row[0] != _sum(name, row[1]):
            return None
        return np.frombuffer(row[1], np.float32)

    def put(self, embeddings: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
        """Keep embeddings of pictures, each by the picture's SHA-256, all in one write.

        Raises:
            UserError: they cannot be written.
        """
        named = ((self._name(picture), one.tobytes()) for picture, one in embeddings)
        rows = [(name, _sum(name, content), content) for name, content in named]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._not_written(error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _name(self, picture: str) -> bytes:
        return hashlib.sha256(f"{self._whose}{picture}".encode()).digest()

    def _not_written(self, error: sqlite3.Error) -> UserError:
        return UserError(f"{self._folder}: cannot be written ({error}); set XDG_CACHE_HOME to a place that can")


def embed_photos(
    network: ClipProbe, reader: InputReader, photos: Sequence[Photo], batch: int, progress: Progress
) -> NDArray[np.float32]:
    """Embeddings (N, F) of photographs, those that the cache lacks computed `batch` at a time.

    Raises:
        PictureError: a picture cannot be read.
        UserError: the cache cannot be written.
    """
    assert reader.sees is not None
    size = network.classifier.in_features
    embeddings = np.empty((len(photos), size), np.float32)
    first: dict[str, int] = {}
    rows = np.array([first.setdefault(photo.sha256(), row) for row, photo in enumerate(photos)], dtype=np.int64)
    missing: list[tuple[str, int]] = []
    device = network.mean.device
    cache = EmbeddingCache(cache_folder(), identity(network.encoder), reader.sees, size)
    with contextlib.closing(cache):
        for total, row in first.items():
            if (known := cache.get(total)) is not None:
                embeddings[row] = known
            else:
                missing.append((total, row))
        for start in range(0, len(missing), batch):
            some = missing[start : start + batch]
            with torch.inference_mode():
                pixels = reader.read([photos[row] for _, row in some]).to(device).pixels
                embedded = network.embed(pixels).cpu().numpy()
            cache.put((total, one) for (total, _), one in zip(some, embedded, strict=True))
            embeddings[[row for _, row in some]] = embedded
            progress(start + len(some), len(missing))
    copies = np.flatnonzero(rows != np.arange(len(photos)))
    embeddings[copies] = embeddings[rows[copies]]
    return embeddings


def _sum(name: bytes, content: bytes) -> bytes:
    return hashlib.sha256(name + content).digest()


def fit_probe(request: TrainRequest) -> RunInfo:
    """Fit a probe and leave a run that holds its encoder too, so that it can be opened anywhere.

    Embeddings that are on disk already are not computed again, so a training that was stopped goes on where it was
    by starting it anew; `request.resume` has nothing more to do.

    Raises:
        ConfigError, DataError, PictureError: one line naming what is wrong.
        UserError: the encoder cannot be downloaded, `out` exists, or the regression did not converge.
    """
    recipe, began = request.recipe, time.monotonic()
    assert recipe.probe is not None
    alone(recipe)
    request.check_of_others(())
    refuse_parts(recipe, _UNUSED, "its encoder is frozen and sees each picture once: remove it")
    with folder_in_one_piece(request.out) as folder:
        dataset = request.grouped()
        parts = split_to_train(request.data, dataset, recipe.split)
        check_pictures(recipe, request.data, dataset)
        _check_labels(request.data, dataset, parts["train"])
        encoder = load_encoder(recipe.probe)
        _check_size(recipe.sees, encoder.config.image_size)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = ClipProbe(encoder, len(dataset.labels)).to(device)
        photos = [photo for part in _PARTS for photo in parts[part]]
        with request.bar("embedding") as progress:
            rows = embed_photos(network, InputReader(recipe.sees), photos, recipe.probe.batch_size, progress)
        embedded = dict(zip((photo.key for photo in photos), rows, strict=True))
        _regress(recipe.probe, network.classifier, *_rows(dataset, embedded, parts["train"]))
        save_split(folder, parts)
        save_encoder_config(folder, encoder)
        scores = {
            part: _score(network.classifier, dataset, *_rows(dataset, embedded, parts[part]))
            for part in _PARTS[1:]
            if parts[part]
        }
        begun = (f"{recipe.probe.encoder}{'' if recipe.probe.pretrained else ', random'}", identity(encoder))
        sha256 = save_weights(folder, network)
        info = run_info(
            TrainedOn(recipe, request.data, dataset, parts),
            begun,
            sha256,
            time.monotonic() - began,
            libraries=("transformers", "scikit-learn"),
            scores=scores.get("val"),
            test_scores=scores.get("test"),
        )
        save_info(folder, info)
    return info


def build_probe(folder: Path, info: RunInfo, members: dict[str, Run]) -> tuple[nn.Module, None]:
    """Build the network of a probe's run before its weights are read; see `CompositeSpec.builder`."""
    if members:
        raise RunError(f"{folder}: a run of a kind that this version cannot open")
    return rebuild_probe(folder, len(info.labels)), None


def linear_layer_of(regression: LogisticRegression, layer: nn.Linear) -> None:
    """Write a fitted regression into a linear layer: softmax of its outputs gives the regression's probabilities.

    Of two labels scikit-learn has one row, the second's log odds; each label gets half of it.
    """
    weight, bias = regression.coef_, regression.intercept_
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))


def _regress(spec: ProbeSpec, layer: nn.Linear, embeddings: NDArray[np.float32], truth: NDArray[np.int64]) -> None:
    regression = LogisticRegression(C=spec.c, max_iter=spec.max_iter)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            regression.fit(embeddings.astype(np.float64), truth)
        except ConvergenceWarning as error:
            raise UserError(
                f"the regression did not converge in {spec.max_iter} steps; raise probe.max_iter or lower probe.c"
            ) from error
    linear_layer_of(regression, layer)


def _rows(
    dataset: Dataset, embedded: dict[str, NDArray[np.float32]], photos: Sequence[Photo]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Embeddings (N, F) of some photos, and their label indices."""
    return np.stack([embedded[photo.key] for photo in photos]), truth_of(photos, dataset.labels)


def _score(layer: nn.Linear, dataset: Dataset, embeddings: NDArray[np.float32], truth: NDArray[np.int64]) -> Scores:
    with torch.inference_mode():
        logits = layer(torch.from_numpy(embeddings).to(layer.weight.device)).cpu().numpy()
    return score(softmax(logits), truth, dataset.labels)


def _check_labels(data: Path, dataset: Dataset, train: Sequence[Photo]) -> None:
    present = {photo.label for photo in train}
    if absent := [label for label in dataset.labels if label not in present]:
        raise DataError(f"{data}: no picture of {', '.join(absent)} to train on; add some, or drop the label")


def _check_size(spec: InputSpec, size_px: object) -> None:
    if (spec.width_px, spec.height_px) != (size_px, size_px):
        raise ConfigError(
            f"input.width_px and input.height_px must be {size_px}, which the encoder was trained at, "
            f"got {spec.width_px} and {spec.height_px}"
        )
