"""Embeddings of pictures by a frozen encoder: each is computed once, then kept on disk by what it depends on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from waste_edge.dataset import Photo
from waste_edge.errors import UserError
from waste_edge.evaluation.evaluate import Progress
from waste_edge.files.atomic import write_atomically
from waste_edge.files.strict import to_json
from waste_edge.imaging.preprocess import InputSpec
from waste_edge.training.input_pipeline.inputs import InputReader
from waste_edge.training.networks.clip import ClipProbe, identity

_FORMAT = 1  # raise it when pictures are prepared in another way, or entries are written in another way
_NAME, _SUM = "waste_edge", "sha256"  # in an entry's header


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
