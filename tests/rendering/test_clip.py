"""The demo clip: its script, its frames and the committed files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from waste_edge.rendering import clip
from waste_edge.rendering.items.sprites import ITEM_LABELS

DEMO = Path(clip.__file__).parents[1] / "demo"
Bytes = NDArray[np.uint8]


def _decoded(path: Path) -> list[Bytes]:
    """Every frame of a video, (H, W, 3)."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        good, frame = capture.read()
        if not good:
            break
        frames.append(np.asarray(frame, dtype=np.uint8))
    capture.release()
    return frames


@pytest.fixture(scope="module")
def script() -> clip.ClipScript:
    return clip.clip_script(json.loads((DEMO / "clip.json").read_text(encoding="utf-8"))["seed"])


@pytest.fixture(scope="module")
def small_frames() -> NDArray[np.float32]:
    """The committed clip in grey, an eighth of the size: (frames, 60, 80)."""
    shrunk = [cv2.resize(frame, (80, 60), interpolation=cv2.INTER_AREA) for frame in _decoded(DEMO / "clip.mp4")]
    return np.stack([np.asarray(frame, dtype=np.float32).mean(axis=2) for frame in shrunk])


def test_the_committed_script_is_the_one_its_seed_gives(script: clip.ClipScript) -> None:
    assert script.seed == clip.SEED
    assert (DEMO / "clip.json").read_text(encoding="utf-8") == script.to_json()


@pytest.mark.parametrize("seed", range(25))
def test_every_script_shows_every_label_and_never_one_twice_running(seed: int) -> None:
    labels = [item.label for item in clip.clip_script(seed).items]
    assert len(labels) == clip.ITEM_COUNT
    assert set(labels) == set(ITEM_LABELS)
    assert all(first != second for first, second in pairwise(labels))


def test_times_follow_one_another_and_fall_on_frames(script: clip.ClipScript) -> None:
    now = 0.0
    for index, item in enumerate(script.items):
        assert item.arrives_s - now == pytest.approx(clip.EMPTY_S if index else clip.FIRST_EMPTY_S)
        assert item.settles_s - item.arrives_s == pytest.approx(clip.ARRIVE_S)
        assert item.leaves_s - item.settles_s == pytest.approx(clip.REST_S)
        assert item.gone_s - item.leaves_s == pytest.approx(clip.LEAVE_S)
        for time_s in (item.arrives_s, item.settles_s, item.leaves_s, item.gone_s):
            assert time_s * script.fps == pytest.approx(round(time_s * script.fps), abs=1e-6)
        now = item.gone_s


def test_the_committed_clip_is_small_and_complete(script: clip.ClipScript, small_frames: NDArray[np.float32]) -> None:
    assert (DEMO / "clip.mp4").stat().st_size <= 2_000_000
    capture = cv2.VideoCapture(str(DEMO / "clip.mp4"))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(script.fps)
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == script.width_px
    assert capture.get(cv2.CAP_PROP_FRAME_HEIGHT) == script.height_px
    capture.release()
    assert len(small_frames) == script.frame_count


def test_the_committed_clip_goes_empty_arrival_rest_leaving(
    script: clip.ClipScript, small_frames: NDArray[np.float32]
) -> None:
    empty = small_frames[2:16].mean(axis=0)
    moving = np.abs(np.diff(small_frames, axis=0)).mean(axis=(1, 2))  # [i]: from frame i to frame i + 1

    def covered(index: int) -> float:
        return float(np.mean(np.abs(small_frames[index] - empty) > 12))

    for item in script.items:
        arrives, settles, leaves, gone = (
            round(time_s * script.fps) for time_s in (item.arrives_s, item.settles_s, item.leaves_s, item.gone_s)
        )
        assert covered(arrives - 1) < 0.005, f"{item} comes to a tray that is not empty"
        assert covered(settles + 5) > 0.02, f"{item} is not there"
        assert covered(gone + 1) < 0.005, f"{item} does not go"
        assert moving[settles + 1 : leaves - 1].max() < 0.8, f"{item} does not lie still"
        assert moving[arrives : settles - 1].max() > 0.8, f"{item} does not move in"
        assert moving[leaves : gone - 1].max() > 0.8, f"{item} does not move out"


def test_items_rest_whole_in_the_view_at_different_places_and_sizes(
    script: clip.ClipScript, small_frames: NDArray[np.float32]
) -> None:
    empty = small_frames[2:16].mean(axis=0)
    middles, sizes = [], []
    for item in script.items:
        resting = small_frames[round((item.settles_s + 0.5) * script.fps)]
        rows, columns = np.nonzero(np.abs(resting - empty) > 12)
        assert min(rows.min(), columns.min()) > 0
        assert rows.max() < 59
        assert columns.max() < 79
        middles.append((rows.mean() / 60, columns.mean() / 80))
        sizes.append(max(np.ptp(rows), np.ptp(columns)) / 60)
    assert 0.2 < min(sizes) < 0.45 < 0.5 < max(sizes) < 0.8
    assert np.ptp([down for down, _ in middles]) > 0.15
    assert np.ptp([across for _, across in middles]) > 0.25


def test_frames_repeat_exactly_for_a_seed() -> None:
    for first, again in zip(islice(clip.clip_frames(3), 30), islice(clip.clip_frames(3), 30), strict=True):
        assert first.shape == (clip.HEIGHT_PX, clip.WIDTH_PX, 3)
        assert np.array_equal(first, again)


def test_at_rest_only_the_sensor_noise_and_the_slow_drift_change() -> None:
    first, second = (frame.astype(float) for frame in islice(clip.clip_frames(3), 28, 30))
    assert 0.2 < np.abs(first - second).mean() < 2.0


def _a_few_frames(seed: int) -> Iterator[Bytes]:
    rng = np.random.default_rng(seed)
    for _ in range(4):
        yield np.full((clip.HEIGHT_PX, clip.WIDTH_PX, 3), int(rng.integers(40, 200)), np.uint8)


def test_the_command_writes_a_readable_clip_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clip, "clip_frames", _a_few_frames)
    assert clip.main(["--out", str(tmp_path / "new"), "--seed", "7"]) == 0
    assert "clip.mp4: 528 frames, 35.2 s" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["clip.json", "clip.mp4"]
    assert len(_decoded(tmp_path / "new" / "clip.mp4")) == 4
    once = (tmp_path / "new" / "clip.mp4").read_bytes()
    clip.write_clip(tmp_path / "new", 7)
    assert (tmp_path / "new" / "clip.mp4").read_bytes() == once


def test_a_failure_half_way_leaves_the_old_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(seed: int) -> Iterator[Bytes]:
        yield from _a_few_frames(seed)
        raise RuntimeError("power cut")

    (tmp_path / "clip.mp4").write_bytes(b"old")
    monkeypatch.setattr(clip, "clip_frames", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        clip.write_clip(tmp_path, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == b"old"
