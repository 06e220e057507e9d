"""Schema of a benchmark's report: strict, versioned JSON, explained in `docs/benchmarks.md`.

Names of rows are keys: `small/tflite-int8/litert/1/ours` is the bundle's network on an engine with one thread through
our interface, `…/bare` the same file in a plain loop against the engine. Everything that speaks of rows names them so.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.benchmarks.facts import Machine
from waste_edge.benchmarks.roofline.model import Roofline
from waste_edge.benchmarks.scenario import Scenario
from waste_edge.files.strict import Strict

SCHEMA: Literal[2] = 2

Status = Literal["measured", "not installed", "not in bundle"]
RowKind = Literal["ours", "bare"]
Stage = Literal["capture", "convert", "gate", "crop", "resize", "infer", "decide"]
Trouble = Literal["throttled", "frequency", "temperature", "governor", "load", "swap", "steal", "warm-up", "emulated"]


class Subject(Strict, frozen=True):
    """Subject of a measurement: a bundle, or a lone network file.

    Attributes:
        name: of the bundle or the file; unique in the report, and how every row's key begins.
        kind: which of the two.
        version: of the bundle; empty for a file.
        digest: SHA-256 of the bundle's manifest, which vouches for every file, or of the file itself.
        recipe: that the network was trained by; empty for a file.
        input_px: width and height of what the network takes; None for a file that takes no picture.
        parameters, macs: trainable numbers, and multiply-accumulates of one picture; None for a file.
    """

    name: str
    kind: Literal["bundle", "file"]
    version: str
    digest: str
    recipe: str
    input_px: tuple[int, int] | None
    parameters: int | None
    macs: int | None


class Block(Strict, frozen=True):
    """A second or so of one row's samples: when it began, seconds since the first timed call, and their median."""

    at_s: float
    samples: int
    p50_ms: float


class Latency(Strict, frozen=True):
    """One row's samples, in milliseconds of the scenario's kind of time.

    Attributes:
        samples: how many calls were timed.
        p50_ms to max_ms: their percentiles, and the longest.
        p99_indicative: too few lie beyond the 99th percentile for it to be more than a hint.
        percentiles_ms: the 0th to the 100th, 101 numbers: for plots.
        blocks: the median through time: for plots, comparisons and the drift.
        drift: median of the second half over that of the first; 1.05 is 5 % slower at the end.
    """

    samples: int
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    p99_indicative: bool
    percentiles_ms: list[float]
    blocks: list[Block]
    drift: float


class Start(Strict, frozen=True):
    """A fresh process: from its start to the first decision, files in the page cache.

    Attributes:
        starts: how many processes.
        first_decision_ms: median.
        rss_mb, pss_mb, peak_rss_mb: of that process after some inferences (millions of bytes); None where the kernel
            does not tell.
    """

    starts: int
    first_decision_ms: float
    rss_mb: float | None
    pss_mb: float | None
    peak_rss_mb: float | None


class Energy(Strict, frozen=True):
    """Energy of one inference, where the board tells.

    Attributes:
        source: `RAPL` or `PMIC`, and what it covers.
        seconds: that the network ran alone for this.
        watts, idle_watts: mean while it ran, and before.
        joules: of one inference, all that was drawn; the idle share included.
        joules_above_idle: the same without it.
    """

    source: str
    seconds: float
    watts: float
    idle_watts: float
    joules: float
    joules_above_idle: float


class Accuracy(Strict, frozen=True):
    """Share of labelled pictures that are right, with its 95 % Wilson interval."""

    pictures: int
    accuracy: float
    low: float
    high: float


class Agreement(Strict, frozen=True):
    """Share of the bundle's golden inputs that get the label FP32 gave where it was exported; 95 % Wilson interval.

    No accuracy: a network that is wrong where FP32 is wrong agrees.
    """

    pictures: int
    agreement: float
    low: float
    high: float
    reference: str


class Row(Strict, frozen=True):
    """One network on one engine with one number of threads.

    Attributes:
        key: see the module.
        subject: its name.
        artifact: `onnx-fp32`, …; a file's name if the subject is a file.
        precision: `fp32` or `int8`; empty where a file does not say.
        engine: its name with the version once loaded.
        threads: of the engine.
        kind: `ours`, through the interface a station uses; `bare`, a plain loop against the engine.
        status, reason: why it was not measured, with the remedy; empty if it was.
        size_bytes: of the file; None if the bundle lacks it.
        load_ms: median time from the file to the first answer, the engine's library being imported already.
        latency: None unless measured.
        start, energy, accuracy, agreement: None where they were not asked for, or nothing tells them.
    """

    key: str
    subject: str
    artifact: str
    precision: Literal["fp32", "int8", ""]
    engine: str
    threads: int
    kind: RowKind
    status: Status
    reason: str
    size_bytes: int | None
    load_ms: float | None
    latency: Latency | None
    start: Start | None = None
    energy: Energy | None = None
    accuracy: Accuracy | None = None
    agreement: Agreement | None = None


class Ratio(Strict, frozen=True):
    """The medians of two rows that took turns, one over the other, with a 95 % bootstrap interval.

    Attributes:
        what: `fp32 over int8`, above 1 INT8 is the faster; `ours over bare`, what our interface costs; `first over
            this`, above 1 this bundle is faster than the first one.
        numerator, denominator: keys.
    """

    what: Literal["fp32 over int8", "ours over bare", "first over this"]
    numerator: str
    denominator: str
    value: float
    low: float
    high: float


class Difference(Strict, frozen=True):
    """Accuracy of INT8 minus that of FP32 on the same pictures, in points; 95 % interval for paired answers."""

    int8: str
    fp32: str
    pictures: int
    points: float
    low_points: float
    high_points: float


class StageTime(Strict, frozen=True):
    """One stage of the way from frame to decision."""

    stage: Stage
    p50_ms: float
    p95_ms: float


class Situation(Strict, frozen=True):
    """Recurring work of a station, in milliseconds.

    Attributes:
        what: `empty frame`: health and presence of a frame with nothing in it, converted already; `item, from settled
            to decision`: the frame that completes an item, which is what a decision is late by after the half second
            of stillness; `item, all of its frames`: region, crop and network of all of them; `frame of CAMERA, from
            capture to verdict` and `item of CAMERA, from capture to decision`: the age of a camera's frame, by the
            driver's stamp, when the loop has judged it.
        samples: how many were timed.
    """

    what: str
    samples: int
    p50_ms: float
    p95_ms: float


class Pipeline(Strict, frozen=True, omit_defaults=True):
    """A row's network at work on drawn frames, stage by stage; `device/` does each as a station does.

    Reports from before the network was asked only of settled items have no `gate`, `crop` and situations, and their
    whole way is that of a frame with the network.

    Attributes:
        key: of the row.
        frames: timed ones.
        frame: what the camera gives, e.g. `640x480 yuv420`.
        stages: in order.
        p50_ms, p95_ms, p99_ms: of the whole way of a frame.
        fps: one over the mean of it.
        situations: of interest.
    """

    key: str
    frames: int
    frame: str
    stages: list[StageTime]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    fps: float
    situations: list[Situation] = msgspec.field(default_factory=list)


class Look(Strict, frozen=True):
    """The board at one moment; None is what it does not tell.

    Attributes:
        at_s: seconds since the first look.
        working: rows were being timed until just now; before and after, a clock may rest.
        temperature_c: of the processor.
        throttled: the firmware's bits, as `vcgencmd get_throttled` gives them.
        frequency_mhz, governor: of the first core.
        foreign_cores: how many cores' time other processes took since the last look.
        stolen_cores: what the hypervisor took.
        swapped_pages: in and out since the last look, by the whole machine.
    """

    at_s: float
    working: bool
    temperature_c: float | None
    throttled: int | None
    frequency_mhz: float | None
    governor: str | None
    foreign_cores: float | None
    stolen_cores: float | None
    swapped_pages: int | None


class Disturbance(Strict, frozen=True):
    """Disturbance that makes the figures no evidence: kind, time (seconds since the first look) and description."""

    what: Trouble
    at_s: float
    text: str


class Watched(Strict, frozen=True):
    """Readings of the board before, during and after a run.

    Attributes:
        looks: the first was before the first call, the last after the last one.
        unwatched: what this machine does not tell, in words.
        notes: what people should know but disturbs nothing.
    """

    looks: list[Look]
    unwatched: list[str]
    notes: list[str]


class WarmUp(Strict, frozen=True):
    """Rounds and seconds until every row was steady; `steady` is false if it gave up."""

    rounds: int
    seconds: float
    steady: bool


class BenchReport(Strict, frozen=True):
    """One benchmark on one machine.

    Attributes:
        schema: of this document.
        mode: `quick`, seconds, a first look; `rigorous`, at least 1,024 samples a row and 60 s.
        note: the mode in words.
        valid: nothing disturbed it, and no processor was emulated.
        disturbances: if not, by what.
        stand_in: a folder that stood for the board, in tests; empty otherwise. Such a report is never evidence.
        commit: of the checkout; empty for an installed package.
        protocol: which labelled pictures the accuracies are of, by subject; empty without --data.
        energy_note: why no row has an energy; empty if some have.
        roofline: what the machine could do at best, and known boards by computation; None if it was not asked for.
    """

    schema: Literal[2]
    mode: Literal["quick", "rigorous"]
    note: str
    valid: bool
    disturbances: list[Disturbance]
    stand_in: str
    created: str
    waste_edge: str
    commit: str
    machine: Machine
    scenario: Scenario
    subjects: list[Subject]
    warm_up: WarmUp
    rows: list[Row]
    ratios: list[Ratio]
    differences: list[Difference]
    pipelines: list[Pipeline]
    protocol: dict[str, str]
    energy_note: str
    watched: Watched
    roofline: Roofline | None = None

    def row(self, key: str) -> Row:
        """Find the row of that key."""
        return next(row for row in self.rows if row.key == key)


class Window(Strict, frozen=True):
    """Part of a soak test: its end in seconds, its frames, their median latency and the memory then."""

    at_s: float
    frames: int
    p50_ms: float
    anonymous_mb: float


class Trend(Strict, frozen=True):
    """A Mann-Kendall test of the windows, and Theil and Sen's slope over the whole soak.

    Attributes:
        p: two-sided probability of such an order by chance.
        change: slope times duration: ms, or millions of bytes.
        limit: what a change must pass to matter.
        drifts: p is below 0.01, and the change is beyond the limit.
    """

    p: float
    change: float
    limit: float
    drifts: bool


class SoakReport(Strict, frozen=True):
    """`bench --soak`: the station's loop for minutes; `valid` and the rest as in `BenchReport`.

    Attributes:
        steady: neither latency nor memory drifts upwards.
        verdict: that in words.
    """

    schema: Literal[2]
    mode: Literal["soak"]
    valid: bool
    disturbances: list[Disturbance]
    stand_in: str
    created: str
    waste_edge: str
    commit: str
    machine: Machine
    subject: Subject
    artifact: str
    engine: str
    minutes: float
    frames: int
    items: int
    windows: list[Window]
    latency: Trend
    memory: Trend
    steady: bool
    verdict: str
    watched: Watched
