"""The figures on ONNX in export/README.md and docs/decisions/009, measured again; no test: they are a machine's.

    python -m tests.export.measure_onnx variants runs/student ../shared/data/trashnet    # U8S8, 7-bit weights, S8S8
    python -m tests.export.measure_onnx loading waste_edge/bundles/small/model-int8.onnx  # optimized before it is saved
    python -m tests.export.measure_onnx profile BUNDLE                                    # by operator, FP32 and INT8

Times are one thread's CPU time, medians, taken in turns: their ratios bear other load on the machine.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from waste_edge.benchmarks.scenario import make_pictures
from waste_edge.bundle.bundle import open_bundle
from waste_edge.bundle.files import NetworkFile
from waste_edge.engines.engine import open_engine
from waste_edge.engines.graph.report import check_file, read_graph
from waste_edge.engines.graph.rules import read_target
from waste_edge.engines.onnx import onnxruntime
from waste_edge.evaluation.evaluate import without_progress
from waste_edge.export.quantize import Attempt, quantize, write_floating
from waste_edge.export.recipe import ExportRecipe, OnnxOptions, read_export_recipe
from waste_edge.export.work import open_work
from waste_edge.training.runs import open_run

DEFAULT = read_export_recipe("static_wi8_ai8")
VARIANTS = {
    "U8S8, the default": DEFAULT,
    "U8S8, 7-bit weights (`w7`)": msgspec.structs.replace(
        DEFAULT, name="static_wi8_ai8_w7", onnx=OnnxOptions(reduce_range=True)
    ),
    "S8S8 (`s8s8`)": msgspec.structs.replace(DEFAULT, name="static_wi8_ai8_s8s8", onnx=OnnxOptions(activations="int8")),
}
Levels = onnxruntime.GraphOptimizationLevel
LEVELS = {"basic": Levels.ORT_ENABLE_BASIC, "extended": Levels.ORT_ENABLE_EXTENDED, "all": Levels.ORT_ENABLE_ALL}
Row = Sequence[object]


def in_turns_ms(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each call, after a tenth as many rounds to warm up.

    Each round has its own order: what ran before leaves the caches fuller or emptier.
    """
    taken: dict[str, list[int]] = {name: [] for name in calls}
    order, shuffle = list(calls), random.Random(0).shuffle
    for turn in range(rounds // 10 + rounds):
        shuffle(order)
        for name in order:
            started = time.thread_time_ns()
            calls[name]()
            if turn >= rounds // 10:
                taken[name].append(time.thread_time_ns() - started)
    return {name: statistics.median(values) / 1e6 for name, values in taken.items()}


def variants(run: Path, data: Path, recipes: Mapping[str, ExportRecipe], folder: Path, rounds: int) -> Iterator[Row]:
    """Each recipe's ONNX file beside FP32: its size, how it answers the run's validation pictures, and its time."""
    work = open_work(open_run(run), data, lambda words: print(words, file=sys.stderr), without_progress)
    floating = write_floating(folder, work)
    tried: dict[str, Attempt] = {
        name: quantize(folder / recipe.name, work, floating, recipe) for name, recipe in recipes.items()
    }
    files = {"FP32": folder / "model-fp32.onnx"} | {
        name: one.folder / one.artifacts["onnx-int8"].file for name, one in tried.items()
    }
    pixels = make_pictures(work.spec, 1, seed=0)[0]
    engines = {name: open_engine(path, "onnx-fp32") for name, path in files.items()}
    taken_ms = in_turns_ms({name: partial(engine.infer, pixels) for name, engine in engines.items()}, rounds)
    yield "ONNX", "bytes", "same label as FP32", f"accuracy of {len(work.validation)}", "CPU ms, here", "ms, Pi"
    for name, path in files.items():
        found = tried[name].comparisons["onnx-int8"] if name in tried else None
        accuracy = found.accuracy if found else next(iter(tried.values())).comparisons["onnx-int8"].reference_accuracy
        agreement = f"{found.agreement:.1%}" if found else ""
        yield name, f"{path.stat().st_size:,}", agreement, f"{accuracy:.1%}", f"{taken_ms[name]:.2f}", "unmeasured"


def loading(model: Path, folder: Path, loads: int, rounds: int) -> Iterator[Row]:
    """A file as exported, and as ONNX Runtime saves it after optimizing it at each level."""
    files = {"as exported": model}
    for level, value in LEVELS.items():
        files[f"saved after {level}"] = folder / f"{level}.onnx"
        _session(model, value, folder / f"{level}.onnx")
    pixels = np.zeros(_session(model).get_inputs()[0].shape, np.uint8)
    columns: dict[str, dict[str, float]] = {}
    for how, level in (("optimizing", Levels.ORT_ENABLE_ALL), ("as it is", Levels.ORT_DISABLE_ALL)):
        load = {name: partial(_session, path, level) for name, path in files.items()}
        run = {name: partial(open_().run, None, {"pixels": pixels}) for name, open_ in load.items()}
        columns[f"load ms, {how}"], columns[f"run ms, {how}"] = in_turns_ms(load, loads), in_turns_ms(run, rounds)
    yield "file", "bytes", "operators", "against our rules", *columns
    for name, path in files.items():
        broken = len(check_file(path, "onnx-int8", read_target("ort-cpu")))
        counted = sum(read_graph(path, "onnx-int8").counts().values())
        figures = [f"{column[name]:.2f}" for column in columns.values()]
        yield name, f"{path.stat().st_size:,}", counted, broken, *figures


def profile(bundle: Path, folder: Path, rounds: int) -> Iterator[Row]:
    """Where the time goes in FP32 and INT8, as ONNX Runtime itself counts it after fusing, by kind of operator."""
    with open_bundle(bundle) as opened:
        networks = {name: opened.artifact(name) for name in ("onnx-fp32", "onnx-int8")}
        pixels = make_pictures(opened.manifest.input, 1, seed=0)
        tables = {name: _profile(network, pixels, folder, rounds) for name, network in networks.items()}
    yield "network", "operator", "how many", "wall ms a picture", "share"
    for name, (counts, spent_ms) in tables.items():
        whole = sum(spent_ms.values())
        for kind, taken in sorted(spent_ms.items(), key=lambda item: -item[1]):
            yield name, kind, counts[kind], f"{taken:.3f}", f"{taken / whole:.0%}"


def _profile(
    network: NetworkFile, pixels: np.ndarray, folder: Path, rounds: int
) -> tuple[Counter[str], dict[str, float]]:
    options = _options()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / network.path.stem)
    session = onnxruntime.InferenceSession(network.content, options, providers=["CPUExecutionProvider"])
    for _ in range(rounds):
        session.run(None, {"pixels": pixels})
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    spent_us: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent_us[event["args"]["op_name"], event["name"]].append(event["dur"])
    counts, spent_ms = Counter(kind for kind, _ in spent_us), defaultdict(float)
    for (kind, _), values in spent_us.items():
        spent_ms[kind] += statistics.median(values) / 1000
    return counts, spent_ms


def _options(level: Levels = Levels.ORT_ENABLE_ALL) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level, options.log_severity_level = level, 3
    return options


def _session(
    path: Path, level: Levels = Levels.ORT_ENABLE_ALL, saved: Path | None = None
) -> onnxruntime.InferenceSession:
    options = _options(level)
    if saved is not None:
        options.optimized_model_filepath = str(saved)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def print_table(rows: Iterator[Row]) -> None:
    headings = list(next(rows))
    for row in (headings, ["---"] * len(headings), *rows):
        print(f"| {' | '.join(map(str, row))} |")


def main(arguments: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="waste-edge-measure-") as name:
        folder = Path(name)
        match list(arguments):
            case ["variants", run, data]:
                print_table(variants(Path(run), Path(data), VARIANTS, folder, rounds=200))
            case ["loading", model]:
                print_table(loading(Path(model), folder, loads=30, rounds=200))
            case ["profile", bundle]:
                print_table(profile(Path(bundle), folder, rounds=200))
            case _:
                sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
