"""A station's head in a bundle: checked like every other file, and absent from bundles that have none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundle.heads import give_head
from waste_edge.bundle.bundle import Bundle, open_bundle
from waste_edge.errors import BundleError
from waste_edge.files.strict import to_json

Edit = Callable[[Path, str, Any], None]


def test_a_bundle_without_a_head_says_nothing_of_it(opened_tiny: Bundle) -> None:
    assert opened_tiny.head() is None
    assert '"head"' not in to_json(opened_tiny.manifest), "older versions read it"
    assert opened_tiny.manifest.network_labels == opened_tiny.manifest.labels


def test_a_head_is_read_and_vouched_for(bundle_copy: Path, edit_manifest: Edit) -> None:
    give_head(bundle_copy, edit_manifest)
    with open_bundle(bundle_copy) as bundle:
        head = bundle.head()
        assert head is not None
        assert (head.carry.shape, head.weights.shape, head.bias.shape) == ((3, 4), (3, 4), (4,))
        assert "head.npz" in [entry.file for entry in bundle.manifest.files()]
        assert bundle.manifest.network_labels == bundle.manifest.labels[:3]
    content = bytearray((bundle_copy / "head.npz").read_bytes())
    content[-30] ^= 1
    (bundle_copy / "head.npz").write_bytes(content)
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match=r"head\.npz is damaged"):
        bundle.artifact("onnx-fp32")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": np.zeros((9, 4), np.float32)}, r"weights is float32 \(9, 4\), expected float32 \(3, 4\)"),
        ({"carry": np.zeros((3, 3), np.float32)}, "carry is"),
        ({"bias": np.full(4, np.nan, np.float32)}, "not finite"),
    ],
)
def test_a_head_of_another_network_is_refused(
    bundle_copy: Path, edit_manifest: Edit, changes: dict[str, Any], message: str
) -> None:
    give_head(bundle_copy, edit_manifest, **changes)
    with open_bundle(bundle_copy) as bundle, pytest.raises(BundleError, match=message):
        bundle.head()


def test_labels_begin_with_the_networks_own(bundle_copy: Path, edit_manifest: Edit) -> None:
    give_head(bundle_copy, edit_manifest)
    edit_manifest(bundle_copy, "labels", ["foam", "green", "red", "blue"])
    with pytest.raises(BundleError, match="labels must begin with"):
        open_bundle(bundle_copy)
