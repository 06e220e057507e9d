"""The READMEs' tables are those of the recorded runs, and the page on reading them agrees with the code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.benchmarks.reports import EXAMPLE
from tools import benchmark_tables
from waste_edge.benchmarks import compare, endurance, measure, scenario
from waste_edge.benchmarks.machine import monitor
from waste_edge.benchmarks.roofline import probe_networks
from waste_edge.benchmarks.roofline.model import read_boards
from waste_edge.benchmarks.schema import BenchReport, Disturbance
from waste_edge.errors import ConfigError
from waste_edge.files.resources import shipped
from waste_edge.files.strict import read_json

ROOT = Path(__file__).resolve().parents[2]
PAGE = " ".join((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("page", benchmark_tables.PAGES)
def test_no_table_has_drifted(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "<!-- recorded:" in text
    assert benchmark_tables.refreshed(page, text) == text, f"{page} has drifted from benchmarks/results; make tables"


@pytest.mark.parametrize("path", sorted(shipped(benchmark_tables.RESULTS).glob("*.json")), ids=lambda path: path.name)
def test_every_recorded_run_reads_and_none_is_of_a_stand_in(path: Path) -> None:
    report = read_json(path, BenchReport)
    assert report.stand_in == ""
    assert report.machine.emulated == ""
    assert path.name.startswith(report.created[:10])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout's root with one recorded run, a.json, and pages to write."""
    results = tmp_path / benchmark_tables.RESULTS
    results.mkdir(parents=True)
    (results / "a.json").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    for page in benchmark_tables.PAGES:
        text = "before\n<!-- recorded: speed a.json -->\nold\n<!-- end of recorded -->\nafter\n"
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).write_text(text, encoding="utf-8")
    monkeypatch.setattr(benchmark_tables, "shipped", lambda name: tmp_path / name)
    return tmp_path


def test_one_command_makes_them_and_another_sees_the_drift(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark_tables.main(["--check"]) == 1
    assert "has drifted; make tables" in capsys.readouterr().out
    assert benchmark_tables.main([]) == 0
    assert benchmark_tables.main(["--check"]) == 0
    text = (folder / "docs" / "results.md").read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- recorded: speed a.json -->\n\n| network | engine | p50 ms |")
    assert text.endswith("<!-- end of recorded -->\nafter\n")
    assert "old" not in text.splitlines()
    assert "bare" not in text
    assert "| tflite-int8 | LiteRT 2.3.0 | 1.43 |" in text
    assert "Made-up CPU, 2 cores" in text


def test_a_disturbed_run_says_so_under_its_table() -> None:
    report = msgspec.structs.replace(
        read_json(EXAMPLE, BenchReport),
        valid=False,
        disturbances=[Disturbance(what="load", at_s=3.0, text="other processes took a core")],
    )
    assert "**INVALID" in benchmark_tables.render("speed", "a.json", report)
    assert "other processes took a core" in benchmark_tables.render("rows", "a.json", report)


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ("<!-- recorded: speeds a.json -->\n<!-- end of recorded -->", "speeds: expected one of floors"),
        ("<!-- recorded: speed b.json -->\n<!-- end of recorded -->", r"b\.json: no such file"),
        ("<!-- recorded: roofs a.json -->\n<!-- end of recorded -->", "record it with bench --roofline"),
        ("<!-- recorded: speed a.json -->\nno end", "no <!-- end of recorded -->"),
    ],
)
def test_a_wrong_marker_is_named(folder: Path, capsys: pytest.CaptureFixture[str], marker: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        benchmark_tables.refreshed("docs/results.md", marker)
    (folder / "docs" / "results.md").write_text(marker, encoding="utf-8")
    assert benchmark_tables.main([]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        f"within {measure.STEADY:.0%} of that of the eight before, twice".replace("%", " %"),
        f"Below {measure.P99_SAMPLES:,} samples",
        f"at least {scenario.RIGOROUS_SAMPLES:,} samples a row *and* at least {scenario.RIGOROUS_SECONDS:.0f} s",
        f"cut into {measure._BLOCKS} stretches",
        f"varies by more than {monitor.FREQUENCY_DRIFT:.0%} of its highest".replace("%", " %"),
        f"a Raspberry Pi reaches {monitor.HOT_PI_C:.0f} °C, another board {monitor.HOT_C:.0f} °C",
        f"other processes take more than {monitor.FOREIGN_PEAK:.2f} cores in one look, "
        f"or {monitor.FOREIGN_MEAN:.2f} on",
        f"hypervisor takes more than {monitor.STOLEN_PEAK:.2f} cores in one look, "
        f"or {monitor.STOLEN_MEAN:.2f} on average",
        f"more than {monitor.SWAPPED_PAGES} pages",
        f"Within {compare.LIMIT:.0%} it is the *same*".replace("%", " %"),
        f"p is below {endurance.ALPHA}",
        f"above {100 * endurance.LATENCY_LIMIT:.0f} % of the median latency",
        f"or above {endurance.MEMORY_LIMIT_MB:.0f} MB",
        f"memory of {endurance.WINDOWS} windows; the first four",
        f"1×1 convolutions of {probe_networks.CHANNELS} channels on {probe_networks.SIDE_PX}×{probe_networks.SIDE_PX}",
    ],
)
def test_the_page_states_the_limits_that_the_code_has(statement: str) -> None:
    assert statement in PAGE


def test_the_page_states_the_boards_instructions() -> None:
    cycles = {board.core: board.fp32_macs_per_cycle for board in read_boards()}
    assert cycles == {"Cortex-A53": 4, "Cortex-A72": 4, "Cortex-A76": 8}
    assert "4; on a Cortex-A76 8" in PAGE
    kernels = {(kernel.instruction, kernel.macs_per_cycle) for board in read_boards() for kernel in board.int8}
    assert kernels == {("SMLAL", 8), ("SDOT", 32)}
    assert "| SMLAL on bytes | 8;" in PAGE
    assert "| SDOT on bytes (dot product) | 32 |" in PAGE
