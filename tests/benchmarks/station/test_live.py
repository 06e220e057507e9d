"""Frames are timed from capture to verdict through the real capture process."""

from __future__ import annotations

from waste_edge.benchmarks.station.live import measure_ages
from waste_edge.bundle.bundle import Bundle
from waste_edge.engines.classifier import load_classifier


def test_a_camera_s_frames_are_timed_from_capture_to_verdict(opened_tiny: Bundle) -> None:
    frame, *_ = measure_ages(load_classifier(opened_tiny, artifact="onnx-fp32"), 3.0, "synthetic:60")
    assert frame.what == "frame of synthetic:60, from capture to verdict"
    assert frame.samples > 20
    assert 0.05 < frame.p50_ms <= frame.p95_ms < 3000
