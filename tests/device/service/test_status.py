"""What `systemctl show` says, in words, with the remedy."""

from __future__ import annotations

import pytest

from waste_edge.device.service.status import lines, log_command, parse
from waste_edge.errors import UserError

NOW_NS = 20_000 * 1_000_000_000
SHOWN = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "ExecMainStatus": "0",
    "NRestarts": "0",
    "NeedDaemonReload": "no",
    "ActiveEnterTimestamp": "Sat 2026-11-21 14:27:44 UTC",
    "ActiveEnterTimestampMonotonic": str((20_000 - 11_520) * 1_000_000),
    "WatchdogUSec": "1min",
    "WatchdogTimestampMonotonic": str(19_999_600_000),
    "MemoryCurrent": str(112 * 2**20),
    "MemoryMax": str(400 * 2**20),
    "StatusText": "looking at picamera:0, 14.8 frames/s, 12 items",
}


def test_a_service_that_is_well():
    assert lines(parse(SHOWN, NOW_NS)) == [
        "waste-edge.service: active (running) since Sat 2026-11-21 14:27:44 UTC, 3 h 12 min",
        "  says      looking at picamera:0, 14.8 frames/s, 12 items",
        "  restarts  0",
        "  watchdog  fed 0.4 s ago, bites after 1min",
        "  memory    112 MiB of 400 MiB",
        "  at boot   starts",
        "  remedy    nothing to do",
    ]


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ({"NeedDaemonReload": "yes"}, "systemctl daemon-reload"),
        ({"UnitFileState": "disabled"}, "systemctl enable"),
        ({"StatusText": "waiting for a camera: none found; next attempt in 8 s"}, "waste-edge doctor"),
        ({"NRestarts": "3"}, "waste-edge service logs --since -1d"),
        ({"ActiveState": "inactive", "SubState": "dead"}, "sudo systemctl start waste-edge"),
        ({"ActiveState": "activating", "SubState": "start"}, "look again in a minute"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "watchdog"}, "it hung"),
        ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "oom-kill"}, "too much memory"),
        ({"ActiveState": "activating", "Result": "exit-code", "ExecMainStatus": "2"}, "ended with an error"),
        (
            {"ActiveState": "activating", "Result": "exit-code", "ExecMainStatus": "203"},
            "sudo waste-edge service install",
        ),
        ({"ActiveState": "activating", "Result": "exit-code", "ExecMainStatus": "216"}, "user or group is missing"),
    ],
)
def test_each_trouble_has_its_remedy(changed, remedy):
    assert remedy in parse({**SHOWN, **changed}, NOW_NS).remedy


def test_a_service_that_is_not_installed_is_an_error_with_the_remedy():
    with pytest.raises(UserError, match="not installed; install it with: sudo waste-edge service install"):
        parse({"LoadState": "not-found"}, NOW_NS)


@pytest.mark.parametrize("unset", ["[not set]", str(2**64 - 1), "infinity", ""])
def test_memory_that_the_kernel_does_not_count_is_not_invented(unset):
    status = parse({**SHOWN, "MemoryCurrent": unset, "MemoryMax": unset}, NOW_NS)
    assert status.memory_bytes is None
    assert "  memory    not counted by this kernel" in lines(status)


@pytest.mark.parametrize(
    ("started_s_ago", "words"), [(9, "9 s"), (600, "10 min"), (11_520, "3 h 12 min"), (19_999, "5 h 33 min")]
)
def test_durations_are_read_off_the_monotonic_clock(started_s_ago, words):
    shown = {**SHOWN, "ActiveEnterTimestampMonotonic": str((20_000 - started_s_ago) * 1_000_000)}
    assert lines(parse(shown, NOW_NS))[0].endswith(f" UTC, {words}")


@pytest.mark.parametrize(
    ("asked", "said"),
    [({}, "--lines=100"), ({"since": "-1h"}, "--since=-1h"), ({"follow": True}, "--lines=100 --follow")],
)
def test_the_log_is_journalctls(asked, said):
    command = " ".join(log_command(**asked))
    assert command == f"journalctl --unit=waste-edge.service --no-pager --output=short-iso {said}"
