"""What is in a commissioned bundle beside the network's files: the head's answers to the station's own items."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.device.commission.pictures import COLOURS, write_site
from tests.device.commission.test_install import installation, show
from waste_edge.bundle.bundle import open_bundle
from waste_edge.device.commission.outcome import evaluate
from waste_edge.device.commission.session import Session
from waste_edge.engines.trial.trial import verify
from waste_edge.engines.verify import verify_bundle
from waste_edge.errors import BundleError
from waste_edge.heads import fingerprints

Replace = Callable[[Path, str, bytes], None]


@pytest.fixture
def written(session: Session, tmp_path: Path) -> Path:
    """A bundle of a station that was shown twelve items of each of three labels."""
    show(session, write_site(tmp_path / "shots", 12))
    outcome = evaluate(session.records, session.bundle, session.site)
    installation(session).write(session.bundle, session.records, outcome, tmp_path / "out")
    return tmp_path / "out"


def test_the_heads_answers_to_the_stations_items_are_kept_and_replayed(written: Path, session: Session) -> None:
    with open_bundle(written) as bundle:
        items = bundle.head_items()
        assert items is not None
        assert items.features.shape == (32, bundle.manifest.features)
        named = items.outputs.argmax(axis=1)
        assert np.bincount(named).min() >= 32 // len(COLOURS) - 1, "labels in turn: some of each"
        shown = fingerprints(session.records.known().features)
        assert set(items.fitted.tolist()) == set(shown.tolist())
        assert len(shown) == 72, "two looks at each item"
        assert verify_bundle(bundle).head_items == 32


@pytest.mark.usefixtures("trials")
def test_a_bundle_that_is_not_known_good_is_replayed_too(written: Path) -> None:
    with open_bundle(written) as bundle:
        assert verify(bundle).head_items == 32


def test_a_head_that_answers_otherwise_is_refused(written: Path, replace_file: Replace) -> None:
    """One kept answer is a little off: the checksum is right, so only the replay can tell."""
    arrays = dict(np.load(written / "head.npz"))
    arrays["items.outputs"][5, 1] += 0.01
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    replace_file(written, "head", packed.getvalue())
    with open_bundle(written) as bundle, pytest.raises(BundleError, match="answers its station's items otherwise"):
        verify_bundle(bundle)
