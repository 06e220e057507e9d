"""The view of a commissioning: turned by a person, proposed for site.toml, and kept with its lights for the station."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from tests.device.commission.test_dialogue import tray
from waste_edge.device.commission.place import propose_region, turned_region
from waste_edge.device.commission.records import Shot
from waste_edge.device.commission.session import Session, opened_session
from waste_edge.device.commission.view import View, lights_for
from waste_edge.device.config import StationConfig
from waste_edge.device.decision.item_tracker import CameraItemTracker
from waste_edge.device.decision.policy import DecisionPolicy
from waste_edge.device.run import _know_lights
from waste_edge.device.system.health import Health
from waste_edge.device.vision.inspection import inspector_of
from waste_edge.device.vision.scene import MAX_LIGHTS, small
from waste_edge.errors import ConfigError
from waste_edge.imaging.preprocess import Region, cut
from waste_edge.site import Site, site_of_labels

PART = Region(left=0.1, top=0.2, right=0.7, bottom=0.5)


def site(**changes: object) -> Site:
    return msgspec.structs.replace(site_of_labels(["red", "green", "blue"]), **changes)


def shot(item: int, rotate: int, *box: float) -> Shot:
    return Shot(item=item, label="red", source="", logits="", features="", box=box, rotate=rotate)


def lights(*numbers: int) -> dict[int, np.ndarray]:
    return {number: small(tray()) * np.float32(1 - number / 10) for number in numbers}


def test_a_region_turns_with_the_picture() -> None:
    picture = np.zeros((100, 200), np.uint8)
    picture[20:50, 20:140] = 1
    for quarters in range(4):
        box = turned_region(PART, 90 * quarters)
        rows, columns = np.nonzero(np.rot90(picture, -quarters))
        height, width = np.rot90(picture, -quarters).shape
        found = [columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height]
        np.testing.assert_allclose([box.left, box.top, box.right, box.bottom], found, atol=1e-6)


def test_items_shown_before_and_after_a_turn_came_up_in_one_part() -> None:
    before = [shot(item, 0, 0.1, 0.2, 0.3, 0.3) for item in range(3)]
    after = [shot(item, 90, 0.7, 0.1, 0.8, 0.3) for item in range(3, 6)]
    assert propose_region([*before, *after], 90) == Region(left=0.62, top=0.02, right=0.88, bottom=0.38)
    assert propose_region([*before, *after], 0) == Region(left=0.02, top=0.12, right=0.38, bottom=0.38)


def test_a_turned_view_is_proposed_and_goes_on_after_a_stop(session: Session, tmp_path: Path) -> None:
    view, records = View(tmp_path, site(region=PART)), session.records
    assert view.proposed_lines(records) == []
    view.turn()
    assert (view.watched.rotate, view.watched.region) == (90, Region(left=0.5, top=0.1, right=0.8, bottom=0.7))
    lines = ["rotate = 90", "region = { left = 0.5, top = 0.1, right = 0.8, bottom = 0.7 }"]
    assert view.proposed_lines(records) == lines
    assert View(tmp_path, site(region=PART)).rotate == 90, "resumed"
    followed = View(tmp_path, site(region=view.watched.region, rotate=90))
    assert (followed.rotate, followed.proposed_lines(records)) == (90, [])
    assert View(tmp_path, site(rotate=180)).rotate == 180, "what site.toml says since is right"
    for _ in range(3):
        view.turn()
    assert view.proposed_lines(records) == [], "once round"


def test_a_turned_session_watches_the_turned_view_and_restart_forgets_it(station: StationConfig) -> None:
    with opened_session(station, {}) as session:
        session.view.turn()
    with opened_session(station, {}) as session:
        assert session.shutter(live=False)._site.rotate == 90
    with opened_session(station, {}, restart=True) as session:
        assert session.view.rotate == 0


def test_lights_are_for_the_view_that_they_were_seen_in(session: Session, tmp_path: Path) -> None:
    view = View(tmp_path / "commission", site())
    (tmp_path / "commission").mkdir()
    view.keep_lights({}, {}, session.records)
    assert lights_for(tmp_path, site()) == {}
    seen = lights(1, 2)
    view.keep_lights(seen, {}, session.records)
    found = lights_for(tmp_path, site())
    assert sorted(found) == [1, 2]
    np.testing.assert_allclose(found[2], seen[2], atol=0.51)
    assert lights_for(tmp_path, site(rotate=90)) == {}
    assert lights_for(tmp_path, site(region=PART)) == {}
    view.turn()
    assert view.lights() == {}, "nor as it is turned"
    view.keep_lights(lights(*range(1, 9)), {}, session.records)
    assert len(view.lights()) == MAX_LIGHTS + 1


def test_lights_are_kept_for_the_proposed_region_too(session: Session, tmp_path: Path) -> None:
    session.records.shots = [shot(item, 0, 0.3, 0.3, 0.6, 0.6) for item in range(5)]
    view = View(tmp_path / "commission", site())
    (tmp_path / "commission").mkdir()
    view.keep_lights(lights(1), {1: tray()}, session.records)
    proposed = view.proposed_region(session.records)
    found = lights_for(tmp_path, site(region=proposed))
    np.testing.assert_allclose(found[1], small(cut(tray(), proposed)), atol=0.51)


def test_a_damaged_file_is_said_and_stops_no_station(session: Session, tmp_path: Path) -> None:
    (tmp_path / "commission").mkdir()
    path = tmp_path / "commission" / "view.json"
    for content in ("{", '{"views": [{"rotate": 0, "region": {}, "lights": [{"number": 1, "look": "AAAA"}]}]}'):
        path.write_text(content)
        with pytest.raises(ConfigError, match=r"view\.json.*begin anew with --restart"):
            View(path.parent, site())
        health, items = Health(), tracker(session)
        _know_lights(items, SimpleNamespace(live=True), tmp_path, site(), health)
        assert "view.json" in health.now()[0].text


def tracker(session: Session) -> CameraItemTracker:
    policy = DecisionPolicy(session.bundle.manifest, site_of_labels(session.bundle.manifest.labels))
    return CameraItemTracker(policy, inspector_of(session.classifier, 1))


def test_a_station_begins_with_the_lights_that_were_learned(session: Session, tmp_path: Path) -> None:
    (tmp_path / "commission").mkdir()
    View(tmp_path / "commission", site()).keep_lights(lights(1, 2), {}, session.records)
    for live, state, known in ((True, tmp_path, 2), (False, tmp_path, 0), (True, None, 0), (True, tmp_path / "x", 0)):
        items = tracker(session)
        _know_lights(items, SimpleNamespace(live=live), state, site(), Health())
        assert items.presence.known_lights == known
