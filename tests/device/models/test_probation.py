"""Probation in a whole station: a network that fails ends no station."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.device.models.conftest import MakeVersion
from waste_edge.device.config import StationConfig
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.loop import Listener
from waste_edge.device.models import in_use
from waste_edge.device.models.store import ModelStore
from waste_edge.device.run import RunPlan, run_station
from waste_edge.device.signals import Stop
from waste_edge.errors import EngineError


class Decided(Listener):
    def __init__(self) -> None:
        self.labels: list[str] = []

    def decided(self, event: Event) -> None:
        self.labels.append(event.decision.label)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network of version 2.0 loads, and fails at the first item."""
    load_classifier = in_use.load_classifier

    def load(bundle: Any, *given: Any) -> Any:
        classifier = load_classifier(bundle, *given)
        if bundle.manifest.version == "2.0":

            class Failing:
                name = classifier.engine.name
                calls = 0

                def infer(self, pixels: Any) -> Any:
                    Failing.calls += 1
                    if Failing.calls > 6:  # those that time it
                        raise EngineError("the accelerator is gone")
                    return engine.infer(pixels)

            engine, classifier.engine = classifier.engine, Failing()
        return classifier

    monkeypatch.setattr(in_use, "load_classifier", load)


@pytest.mark.parametrize("on_probation", [True, False])
def test_a_network_that_fails_is_taken_back_on_probation_and_the_station_goes_on(
    on_probation: bool, tiny_bundle: Path, version: MakeVersion, state: Path, tmp_path: Path, failing: None
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name, colour in (("1.png", (30, 30, 220)), ("2.png", (220, 30, 30))):
        Image.fromarray(np.full((24, 24, 3), colour, np.uint8)).save(pictures / name)
    store, heard, stop = ModelStore(state), Decided(), Stop()
    store.activate(store.add(version("2.0")), "for a test", on_probation=on_probation)
    config = StationConfig(source=str(pictures), bundle=str(tiny_bundle), state=str(state), engine="onnx", looks=1)
    plan = RunPlan(config, False, False, True, None, None, (heard,), silent=True)
    if not on_probation:
        with pytest.raises(EngineError, match="the accelerator is gone"):
            run_station(plan, lambda: plan, stop)
        assert store.current() is not None
        return
    assert run_station(plan, lambda: plan, stop).items == 2
    assert heard.labels == ["blue", "red"]
    assert store.current() is None
    assert store.history()[-1].reason == "taken back by the station: its network failed: the accelerator is gone"
