"""The rules and the dashboard that ship, held against a real Prometheus that scrapes a real page."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device.page.pages import TOKEN, fed_page, free_port, make_state
from waste_edge.device.page.state import AnswerTotal
from waste_edge.files.resources import shipped

pytest.importorskip("uvicorn", reason="the extra [web] is not installed")

RULES = shipped("device/prometheus")
DASHBOARD = json.loads((shipped("device/grafana") / "waste-edge.json").read_text(encoding="utf-8"))
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (apt: prometheus)")
needs_prometheus = pytest.mark.skipif(not shutil.which("prometheus"), reason="prometheus is not installed")


@needs_promtool
@pytest.mark.parametrize(
    "words",
    [["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]],
)
def test_promtool_finds_nothing_wrong(words):
    asked = subprocess.run(["promtool", *words], cwd=RULES, capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_metrics():
    from waste_edge.device.page.server.metrics import render

    text = render(make_state())
    asked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert asked.stdout + asked.stderr == b""


def expressions() -> list[tuple[str, str]]:
    return [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_each_metric_once_at_least():
    from waste_edge.device.page.server.metrics import render

    named = {line.split()[2] for line in render(make_state()).decode().splitlines() if line.startswith("# TYPE")}
    asked = " ".join(expression for _, expression in expressions())
    unasked = {name for name in named if name not in asked}
    assert unasked == {
        "waste_edge_station_info", "waste_edge_station_start_time_seconds", "waste_edge_asked_items_total",
        "waste_edge_bad_pictures_total", "waste_edge_predictions_total", "waste_edge_frame_rate_hertz",
        "waste_edge_loop_silence_seconds", "waste_edge_least_frame_gap_seconds", "waste_edge_page_starts_total",
        "waste_edge_throttled", "waste_edge_throttled_since_boot",
    }  # fmt: skip
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Prometheus that scrapes a page with a token every second, with the shipped rules."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    (folder / "token").write_text(TOKEN)
    (folder / "alerts.yml").write_text((RULES / "alerts.yml").read_text(encoding="utf-8"))
    with fed_page(TOKEN) as page:
        config = (RULES / "prometheus.yml").read_text(encoding="utf-8")
        config = config.replace("127.0.0.1:8470", f"127.0.0.1:{page.port}").replace("15s", "1s")
        config = config.replace("# authorization:", "authorization:").replace(
            "#   credentials_file", "  credentials_file"
        )
        (folder / "prometheus.yml").write_text(
            config.replace("/etc/prometheus/waste-edge-token", str(folder / "token"))
        )
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        command.append(f"--web.listen-address=127.0.0.1:{port}")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            _feed(page, port, folder)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def _feed(page: Any, port: int, folder: Path) -> None:
    """A station that works on, until Prometheus has seen several scrapes of it."""
    until = time.monotonic() + 120
    answers = (AnswerTotal(source="page", stream="glass", count=2),)
    while True:
        page.tell_state(answers=answers, open_questions=1)
        try:
            if len(_query(port, "waste_edge_items_total[1m]")[0]["values"]) >= 4:
                return
        except (OSError, IndexError):
            assert time.monotonic() < until, (folder / "log").read_text()[-2000:]
        time.sleep(1)


def _query(port: int, expression: str) -> list[dict]:
    asked = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{asked}", timeout=30) as answer:
        found = json.loads(answer.read())
    assert found["status"] == "success"
    return list(found["data"]["result"])


@needs_prometheus
@pytest.mark.parametrize(("title", "expression"), expressions(), ids=[f"{title}" for title, _ in expressions()])
def test_every_panel_has_something_to_show(prometheus, title, expression):
    asked = (
        expression.replace("$station", ".*").replace("[24h]", "[1m]").replace("[1h]", "[1m]").replace("[15m]", "[1m]")
    )
    found = _query(prometheus, asked)
    if title != "Parts that are not well":
        assert found, asked


@needs_prometheus
def test_the_shipped_rules_are_loaded_and_evaluated(prometheus):
    until = time.monotonic() + 60
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{prometheus}/api/v1/rules", timeout=30) as answer:
            groups = json.loads(answer.read())["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        if rules and all(rule["health"] == "ok" for rule in rules):
            break
        assert time.monotonic() < until, [(rule["name"], rule["health"], rule.get("lastError")) for rule in rules]
        time.sleep(0.5)
    assert len(rules) == 12
    assert [rule["name"] for rule in rules if rule["state"] == "firing"] == []
