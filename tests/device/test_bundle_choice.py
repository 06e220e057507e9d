"""`bundle = "auto"`: what this board affords, measured once."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from waste_edge.bundle.bundle import Bundle, find_bundle, open_bundle
from waste_edge.device import bundle_choice
from waste_edge.device.bundle_choice import SPEEDS, EngineWish, cache_folder, choose_bundle, shipped_by_accuracy
from waste_edge.errors import BundleError

WISH = EngineWish()


@contextlib.contextmanager
def opened(name: str) -> Iterator[Bundle]:
    with open_bundle(find_bundle(name)) as bundle:
        yield bundle


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let looks take what a test says, by the bundle's name; returns the names of those that were timed."""

    def pretend(**looks_ms: float) -> list[str]:
        names: list[str] = []

        def look_ms_of(classifier) -> float:
            names.append(classifier.manifest.name)
            return looks_ms[classifier.manifest.name]

        monkeypatch.setattr(bundle_choice, "look_ms_of", look_ms_of)
        return names

    return pretend


def test_a_bundle_that_is_named_is_obeyed_and_nothing_is_measured(timed, tmp_path):
    names = timed()
    assert choose_bundle("my/bundle.zip", opened, WISH, tmp_path).bundle == "my/bundle.zip"
    assert (names, list(tmp_path.iterdir())) == ([], [])


def test_the_most_accurate_one_is_taken_where_it_fits(timed, tmp_path):
    best = shipped_by_accuracy()[0]
    names = timed(accurate=12.5, small=3.0)
    choice = choose_bundle("auto", opened, WISH, tmp_path)
    assert (choice.bundle, choice.look_ms, names) == (best, {"accurate": 12.5, "small": 3.0}[best], [best])
    assert choice.reason.startswith(f"auto chose {best}, the most accurate one: ")


def test_on_a_slow_board_the_next_one_is_taken_and_the_reason_names_both(timed, tmp_path):
    first, second = shipped_by_accuracy()[:2]
    timed(**{first: 400.0, second: 90.0})
    choice = choose_bundle("auto", opened, WISH, tmp_path)
    assert choice.bundle == second
    assert "90.0 ms a look" in choice.reason
    assert f"{first} would take 400 ms" in choice.reason


def test_where_none_fits_the_quickest_is_taken(timed, tmp_path):
    first, second = shipped_by_accuracy()[:2]
    timed(**{first: 900.0, second: 400.0})
    choice = choose_bundle("auto", opened, WISH, tmp_path)
    assert choice.bundle == second
    assert "none that ships is quick enough" in choice.reason


def test_it_is_measured_once(timed, tmp_path):
    names = timed(accurate=12.5, small=12.5)
    first = choose_bundle("auto", opened, WISH, tmp_path)
    assert choose_bundle("auto", opened, WISH, tmp_path) == first
    assert len(names) == 1
    choose_bundle("auto", opened, EngineWish(threads=2), tmp_path)
    assert len(names) == 2, "other threads, another speed"


@pytest.mark.parametrize("kept", [b"", b"{", b'{"machine": "another", "speeds": []}', b"\xff\xfe", b"[1]"])
def test_what_is_damaged_or_another_machines_is_measured_again(timed, tmp_path, kept):
    names = timed(accurate=12.5, small=12.5)
    choose_bundle("auto", opened, WISH, tmp_path)
    (tmp_path / SPEEDS).write_bytes(kept)
    choose_bundle("auto", opened, WISH, tmp_path)
    assert len(names) == 2
    assert len(json.loads((tmp_path / SPEEDS).read_text())["speeds"]) == 1, "mended"


@pytest.mark.parametrize("look_ms", ["-1.0", "0.0", "1e300"])
def test_impossible_speeds_are_measured_again(timed, tmp_path, look_ms):
    names = timed(accurate=12.5, small=12.5)
    choose_bundle("auto", opened, WISH, tmp_path)
    text = (tmp_path / SPEEDS).read_text()
    assert "12.5" in text
    (tmp_path / SPEEDS).write_text(text.replace("12.5", look_ms))
    choose_bundle("auto", opened, WISH, tmp_path)
    assert len(names) == 2


def test_doctor_writes_nothing_and_a_folder_that_cannot_be_written_is_no_error(timed, tmp_path):
    timed(accurate=12.5, small=12.5)
    choose_bundle("auto", opened, WISH, tmp_path / "new", remember=False)
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    assert choose_bundle("auto", opened, WISH, tmp_path / "file").look_ms == 12.5


def test_one_that_cannot_be_opened_is_passed_over_and_its_fault_is_told_where_none_can(timed, tmp_path):
    first, second = shipped_by_accuracy()[:2]
    timed(**{second: 5.0})

    @contextlib.contextmanager
    def refused(name: str) -> Iterator[Bundle]:
        if name == first:
            raise BundleError(f"{name}: is not signed")
        with opened(name) as bundle:
            yield bundle

    assert choose_bundle("auto", refused, WISH, tmp_path).bundle == second

    def closed(name: str) -> contextlib.AbstractContextManager[Bundle]:
        raise BundleError(f"{name}: is not signed")

    with pytest.raises(BundleError, match=f"{first}: is not signed"):
        choose_bundle("auto", closed, WISH, tmp_path)


def test_the_order_is_that_of_the_manifests_scores(monkeypatch, tmp_path):
    for name, accuracy in (("worse", 0.7), ("better", 0.8), ("broken", None)):
        (tmp_path / name).mkdir()
        scores = {"metrics": {"artifacts": {"tflite-int8": {"scores": {"accuracy": accuracy}}}}}
        (tmp_path / name / "manifest.json").write_text("{" if accuracy is None else json.dumps(scores))
    (tmp_path / "a folder of something else").mkdir()
    monkeypatch.setattr(bundle_choice, "BUNDLES", tmp_path)
    assert shipped_by_accuracy() == ["better", "worse", "broken"]
    shutil.rmtree(tmp_path)
    assert shipped_by_accuracy() == []


def test_the_users_cache():
    assert cache_folder({"XDG_CACHE_HOME": "/var/cache"}) == Path("/var/cache/waste-edge")
    assert cache_folder({}).parts[-2:] == (".cache", "waste-edge")
