"""A head for a copy of the tiny bundle, with one label more than its networks have."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from waste_edge.files.strict import to_json
from waste_edge.heads import Assessment
from waste_edge.metrics.significance import Interval

LABELS = ["blue", "green", "red"]
NOTHING = Interval(value=0.0, low=0.0, high=0.0)


def entry_of(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"file": path.name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_npz(path: Path, arrays: dict[str, Any]) -> None:
    content = io.BytesIO()
    np.savez(content, **arrays)
    path.write_bytes(content.getvalue())


def give_head(folder: Path, edit_manifest: Callable[[Path, str, Any], None], **changes: Any) -> None:
    """Put a head that prefers `foam` to all else into a bundle, with golden outputs; `changes` replace its arrays."""
    labels = msgspec.json.decode((folder / "manifest.json").read_bytes())["labels"]
    arrays = {
        "carry": np.eye(3, 4, dtype=np.float32),
        "weights": np.zeros((3, 4), np.float32),
        "bias": np.array([0, 0, 0, 50], np.float32),
    }
    write_npz(folder / "head.npz", arrays | changes)
    golden = dict(np.load(folder / "golden.npz"))
    for key in [key for key in golden if key.endswith(".logits")]:
        golden[key] = np.concatenate([golden[key], np.full((len(golden[key]), 1), 50, np.float32)], axis=1)
    write_npz(folder / "golden.npz", golden)
    for key, value in entry_of(folder / "golden.npz").items():
        edit_manifest(folder, f"golden.{key}", value)
    assessment = Assessment(items=0, shots=0, accuracy=NOTHING, shipped=NOTHING, gain=NOTHING, p_value=1.0, labels=[])
    head = {
        **entry_of(folder / "head.npz"),
        "network_labels": labels,
        "site": "lobby",
        "created": "2026-11-28T00:00:00+00:00",
        "parent": "tiny 1.0",
        "parent_digest": "0" * 64,
        "items": {},
        "shots": 0,
        "strangers": 0,
        "assessment": msgspec.json.decode(to_json(assessment)),
    }
    edit_manifest(folder, "labels", [*labels, "foam"])
    edit_manifest(folder, "head", head)
