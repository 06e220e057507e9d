"""A report made up for tests, and the file `data/report.json` that holds it: `python -m tests.benchmarks.reports`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from waste_edge.benchmarks.facts import Machine
from waste_edge.benchmarks.scenario import rigorous
from waste_edge.benchmarks.schema import (
    Accuracy,
    BenchReport,
    Block,
    Difference,
    Latency,
    Look,
    Pipeline,
    Ratio,
    Row,
    StageTime,
    Start,
    Subject,
    WarmUp,
    Watched,
)
from waste_edge.files.strict import to_json

EXAMPLE = Path(__file__).parent / "data" / "report.json"
MEDIANS_MS = {"onnx-fp32": 3.0, "onnx-int8": 2.0, "tflite-fp32": 2.8, "tflite-int8": 1.4}
RIGHT = {"onnx-fp32": 350, "onnx-int8": 355, "tflite-fp32": 350, "tflite-int8": 354}


def made_up_latency(p50_ms: float, seed: int = 0) -> Latency:
    samples = p50_ms * np.random.default_rng(seed).lognormal(0, 0.05, 2048)
    points = [round(float(value), 4) for value in np.percentile(samples, range(101))]
    blocks = [Block(at_s=float(i), samples=34, p50_ms=round(p50_ms * (1 + 0.01 * (i % 3)), 4)) for i in range(60)]
    return Latency(
        samples=2048,
        p50_ms=points[50],
        p90_ms=points[90],
        p95_ms=points[95],
        p99_ms=points[99],
        max_ms=points[100],
        p99_indicative=False,
        percentiles_ms=points,
        blocks=blocks,
        drift=1.0,
    )


def made_up_row(artifact: str, kind: str, p50_ms: float) -> Row:
    engine = "litert" if artifact.startswith("tflite") else "onnx"
    right = RIGHT[artifact]
    ours = kind == "ours"
    return msgspec.convert(
        {
            "key": f"small/{artifact}/{engine}/1/{kind}",
            "subject": "small",
            "artifact": artifact,
            "precision": artifact[-4:],
            "engine": "LiteRT 2.3.0" if engine == "litert" else "ONNX Runtime 1.27.0",
            "threads": 1,
            "kind": kind,
            "status": "measured",
            "reason": "",
            "size_bytes": 855_360 if artifact.endswith("fp32") else 255_872,
            "load_ms": 2.5,
            "latency": made_up_latency(p50_ms),
            "start": Start(starts=7, first_decision_ms=310.0, rss_mb=81.5, pss_mb=70.1, peak_rss_mb=83.0)
            if ours
            else None,
            "accuracy": Accuracy(pictures=404, accuracy=right / 404, low=right / 404 - 0.03, high=right / 404 + 0.03)
            if ours
            else None,
        },
        Row,
        from_attributes=True,
    )


def made_up_report() -> BenchReport:
    """The default bundle on a machine that does not exist."""
    ours = [made_up_row(name, "ours", median * 1.02) for name, median in MEDIANS_MS.items()]
    bare = [made_up_row(name, "bare", median) for name, median in MEDIANS_MS.items()]
    stages = {"capture": 0.1, "convert": 0.2, "resize": 0.15, "infer": 1.4, "decide": 0.3}
    return BenchReport(
        schema=2,
        mode="rigorous",
        note="made up for tests",
        valid=True,
        disturbances=[],
        stand_in="",
        created="2025-11-21T00:00:00+00:00",
        waste_edge="0.1.0",
        commit="0123456789abcdef0123456789abcdef01234567",
        machine=Machine(
            board="",
            cpu="Made-up CPU",
            features=["avx2", "avx512_vnni"],
            cores=2,
            memory_mb=8000.0,
            architecture="x86_64",
            emulated="",
            os="Debian GNU/Linux 12 (bookworm)",
            kernel="6.1.0",
            python="3.11.2",
            libraries={"numpy": "2.3.0", "onnxruntime": "1.27.0", "ai-edge-litert": "2.3.0"},
            governor="",
        ),
        scenario=rigorous(),
        subjects=[
            Subject(
                name="small",
                kind="bundle",
                version="1",
                digest="0" * 64,
                recipe="qat_student_mobilenet_v1_025",
                input_px=(160, 160),
                parameters=211_878,
                macs=21_000_000,
            )
        ],
        warm_up=WarmUp(rounds=40, seconds=1.0, steady=True),
        rows=[*ours, *bare],
        ratios=[
            Ratio(
                what="fp32 over int8",
                numerator="small/tflite-fp32/litert/1/ours",
                denominator="small/tflite-int8/litert/1/ours",
                value=2.0,
                low=1.98,
                high=2.02,
            ),
            Ratio(
                what="ours over bare",
                numerator="small/tflite-int8/litert/1/ours",
                denominator="small/tflite-int8/litert/1/bare",
                value=1.02,
                low=1.01,
                high=1.03,
            ),
        ],
        differences=[
            Difference(
                int8="small/tflite-int8/litert/1/ours",
                fp32="small/tflite-fp32/litert/1/ours",
                pictures=404,
                points=0.99,
                low_points=-1.0,
                high_points=3.0,
            )
        ],
        pipelines=[
            Pipeline(
                key="small/tflite-int8/litert/1/ours",
                frames=1024,
                frame="640x480 yuv420",
                stages=[StageTime(stage=name, p50_ms=ms, p95_ms=ms * 1.2) for name, ms in stages.items()],
                p50_ms=2.15,
                p95_ms=2.5,
                p99_ms=2.9,
                fps=460.0,
            )
        ],
        protocol={"small": "the validation part, 404 of 2022 pictures of the model's own data"},
        energy_note="no energy: neither RAPL nor a Pi 5's PMIC can be read here",
        watched=Watched(
            looks=[
                Look(
                    at_s=float(second),
                    working=second > 0,
                    temperature_c=None,
                    throttled=None,
                    frequency_mhz=None,
                    governor=None,
                    foreign_cores=0.01,
                    stolen_cores=0.0,
                    swapped_pages=0,
                )
                for second in range(3)
            ],
            unwatched=["temperature", "throttle bits", "frequency", "governor"],
            notes=[],
        ),
    )


if __name__ == "__main__":
    EXAMPLE.write_text(to_json(made_up_report()), encoding="utf-8")
