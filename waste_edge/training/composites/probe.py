"""Logistic regression on a frozen encoder's embeddings (Radford et al. 2021, section 3.2).

Each embedding is computed once, then kept on disk by what it depends on.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import nn

from waste_edge.dataset import Dataset, Part, Photo, group_near_duplicates, open_dataset, split_to_train
from waste_edge.errors import ConfigError, DataError, RunError, UserError
from waste_edge.evaluation.evaluate import Progress, truth_of
from waste_edge.files.atomic import folder_in_one_piece, write_atomically
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
_NAME, _SUM = "waste_edge", "sha256"  # in an entry's header
_UNUSED = ("fit", "tree", *OF_VIEWS, "distill", "quantize_aware")
_PARTS: tuple[Part, ...] = ("train", "val", "test")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/waste-edge/embeddings`, by default below `~/.cache`."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"  # as its specification wants it
    return base / "waste-edge" / "embeddings"


class EmbeddingCache:
    """One small safetensors file an embedding, called by the sum of picture, encoder and preprocessing.

    Nothing in it is believed that does not say itself whose it is and carry its own checksum: a damaged or misplaced
    entry is computed again.
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
        except OSError as error:
            raise UserError(
                f"{folder}: cannot be made ({error.strerror}); set XDG_CACHE_HOME to a place that can"
            ) from error
        if not os.access(folder, os.W_OK):
            raise UserError(f"{folder}: cannot be written; set XDG_CACHE_HOME to a place that can")

    def get(self, picture: str) -> NDArray[np.float32] | None:
        """The embedding of a picture by its SHA-256, if there is one that can be trusted."""
        name = self._name(picture)
        try:
            with safe_open(self._path(name), "np") as stream:
                header, embedding = stream.metadata() or {}, stream.get_tensor("embedding")
        except (OSError, SafetensorError):
            return None
        whole = embedding.shape == (self._size,) and embedding.dtype == np.float32
        if not whole or header.get(_NAME) != name or header.get(_SUM) != _sum(embedding):
            return None
        return np.asarray(embedding, np.float32)

    def put(self, picture: str, embedding: NDArray[np.float32]) -> None:
        """Keep the embedding of a picture."""
        name = self._name(picture)
        content = save({"embedding": embedding}, {_NAME: name, _SUM: _sum(embedding)})
        write_atomically(self._path(name), content)

    def _name(self, picture: str) -> str:
        return hashlib.sha256(f"{self._whose}{picture}".encode()).hexdigest()

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.safetensors"


def embed_photos(
    network: ClipProbe, reader: InputReader, photos: Sequence[Photo], batch: int, progress: Progress
) -> NDArray[np.float32]:
    """Embeddings (N, F) of photographs, those that the cache lacks computed `batch` at a time.

    Raises:
        PictureError: a picture cannot be read.
        UserError: the cache cannot be written.
    """
    assert reader.sees is not None
    cache = EmbeddingCache(cache_folder(), identity(network.encoder), reader.sees, network.classifier.in_features)
    sums = [photo.sha256() for photo in photos]
    known = {total: found for total in set(sums) if (found := cache.get(total)) is not None}
    missing = list({total: photo for total, photo in zip(sums, photos, strict=True) if total not in known}.items())
    device = network.mean.device
    for start in range(0, len(missing), batch):
        some = missing[start : start + batch]
        with torch.inference_mode():
            pixels = reader.read([photo for _, photo in some]).to(device).pixels
            embedded = network.embed(pixels).cpu().numpy()
        for (total, _), embedding in zip(some, embedded, strict=True):
            cache.put(total, embedding)
            known[total] = embedding
        progress(start + len(some), len(missing))
    return np.stack([known[total] for total in sums])


def _sum(embedding: NDArray[np.float32]) -> str:
    return hashlib.sha256(embedding.tobytes()).hexdigest()


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
        dataset = group_near_duplicates(open_dataset(request.data, label_map=recipe.labels))
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
