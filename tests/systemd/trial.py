"""Runs inside the booted Debian, as root, with the system's Python: what does systemd do with the service?"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

from inside import PROGRAM, UNIT, check, events, report, run, show, wait

LINK = Path("/opt/waste-edge/current")
REBOOTED = Path("/trial/before-the-reboot.json")
DROP_IN = Path(f"/run/systemd/system/{UNIT}.d/trial.conf")
# Shared memory in both kinds, another interpreter, udev's netlink, the network, C that calls Python back; nothing else.
NEEDS = """
import ctypes, mmap, os, socket, subprocess, sys
from multiprocessing import shared_memory
held = os.memfd_create("frames"); os.ftruncate(held, 4096); mmap.mmap(held, 4096).write(b"x"); print("memfd")
block = shared_memory.SharedMemory(create=True, size=4096); block.close(); block.unlink(); print("shm")
assert subprocess.run(["/usr/bin/python3", "-c", "pass"]).returncode == 0; print("exec")
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).bind((0, 1)); socket.socket(socket.AF_INET).close(); print("net")
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
numbers = (ctypes.c_char * 2)(b"b", b"a")
ctypes.CDLL(None).qsort(numbers, 2, 1, kind(lambda a, b: ctypes.string_at(a, 1)[0] - ctypes.string_at(b, 1)[0]))
assert bytes(numbers) == b"ab"; print("callback")
writable_code = lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)
for forbidden in (writable_code, lambda: os.sched_setaffinity(0, {0})):
    try:
        forbidden()
    except OSError:
        continue
    sys.exit("not denied: " + str(forbidden.__code__.co_names))
print("denied")
"""


def active_again_after(restarts: int) -> bool:
    return int(show("NRestarts")) > restarts and show("ActiveState") == "active"


def main() -> None:
    if REBOOTED.exists():
        of_the_reboot()
        of_reload_stop_and_removal()
        return
    check("nothing of ours is here", not LINK.parent.exists() and not Path(f"/etc/systemd/system/{UNIT}").exists(), "")
    started = time.monotonic()
    installed = run("sh", "/trial/install.sh", "--wheels", "/trial/wheels", "--config", "/trial/station.toml")
    seconds = time.monotonic() - started
    check("install.sh ends when systemd has heard READY", installed.returncode == 0, f"{seconds:.1f} s, from nothing")
    check("it is active", show("ActiveState") == "active", show("SubState"))
    if installed.returncode == 0:
        of_installing_again()
        of_the_running_service()
        of_its_end_by_others()
        of_a_program_that_fails()
        of_updates()
        of_what_the_reboot_must_keep()


def of_installing_again() -> None:
    again = run("sh", "/trial/install.sh", "--wheels", "/trial/wheels")
    same = again.returncode == 0 and LINK.resolve().name == "venv-1" and show("ActiveState") == "active"
    check("install.sh again changes nothing", same and "nothing was to be done" in again.stdout, LINK.resolve().name)


def of_updates() -> None:
    config, known = Path("/etc/waste-edge/station.toml").read_text(), wait_for_events(1)
    updated = run(PROGRAM, "service", "update", "--wheels", "/trial/newer")
    there = f"{version()}, {LINK.resolve().name}"
    check("an update", updated.returncode == 0 and there == "9.9.1, venv-2" and runs_from("venv-2"), there)
    pid = show("MainPID")
    failed = run(PROGRAM, "service", "update", "--wheels", "/trial/incomplete")
    untouched = failed.returncode == 1 and show("MainPID") == pid and LINK.resolve().name == "venv-2"
    check("one that cannot be installed touches nothing", untouched, failed.stdout.splitlines()[-1:])
    started = time.monotonic()
    failed = run(PROGRAM, "service", "update", "--wheels", "/trial/hangs")
    back = failed.returncode == 1 and "the old one runs again" in failed.stdout and version() == "9.9.1"
    back &= runs_from("venv-2") and not Path("/opt/waste-edge/venv-3").exists()
    check(
        "one that is never ready is left again", back, f"back on {version()} after {time.monotonic() - started:.0f} s"
    )
    kept = Path("/etc/waste-edge/station.toml").read_text() == config and event_ids()[: len(known)] == known
    check("settings and events are as they were", kept, f"{len(known)} events")


def version() -> str:
    return run(PROGRAM, "--version").stdout.split()[-1]


def runs_from(environment: str) -> bool:
    return show("ActiveState") == "active" and environment in Path(f"/proc/{show('MainPID')}/cmdline").read_text()


def event_ids() -> list[str]:
    return [str(one["id"]) for one in events()]


def wait_for_events(count: int) -> list[str]:
    wait(lambda: len(event_ids()) >= count, 90)
    return event_ids()


def of_what_the_reboot_must_keep() -> None:
    known = wait_for_events(1)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text()
    REBOOTED.write_text(json.dumps({"events": known, "started": show("ExecMainStartTimestamp"), "boot": boot_id}))
    check("events before the reboot", bool(known), len(known))


def of_the_reboot() -> None:
    before = json.loads(REBOOTED.read_text())
    seconds = wait(lambda: show("ActiveState") == "active", 120)
    check("nobody started it, and it is there after the reboot", seconds < 120, show("ExecMainStartTimestamp"))
    check("it is another start", show("ExecMainStartTimestamp") != before["started"], f"was {before['started']}")
    known = len(before["events"])
    now = wait_for_events(known + 1)
    right = now[:known] == before["events"] and len(now) > known and len(set(now)) == len(now)
    check("the events of before are there, once, and it goes on", right, f"{known}, then {len(now)}")
    check("on the version of before", version() == "9.9.1" and runs_from("venv-2"), LINK.resolve().name)


def of_the_running_service() -> None:
    wait(lambda: "frames/s" in show("StatusText"), 60)
    check("its status says what it sees", "frames/s" in show("StatusText"), show("StatusText"))
    process = Path(f"/proc/{show('MainPID')}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in process.splitlines() if ":\t" in line)
    bare = facts["NoNewPrivs"] == "1" and int(facts["CapEff"], 16) == 0 and facts["Seccomp"] == "2"
    check("it may do little", bare and not facts["Uid"].startswith("0"), f"uid {facts['Uid'].split()[0]}, no caps")
    state = Path("/var/lib/waste-edge").stat()
    config = Path("/etc/waste-edge/station.toml").stat()
    check("its state folder is its own", oct(state.st_mode & 0o777) == "0o750" and state.st_uid, oct(state.st_mode))
    check("only its group reads its settings", config.st_mode & 0o777 == 0o640, oct(config.st_mode))
    exposure = run("systemd-analyze", "security", "--no-pager", "--threshold=20", UNIT)
    said = re.findall(r"Overall exposure level.*", exposure.stdout)
    check("systemd-analyze security, online, at most 2.0", exposure.returncode == 0, said)
    tried = confined(PROGRAM, "verify", "small")
    check("both engines load and answer right, so confined", tried.returncode == 0, tried.stdout.splitlines()[-1:])
    tried = confined("/usr/bin/python3", "-c", NEEDS)
    check("what a capture process needs is allowed, and no more", tried.returncode == 0, tried.stdout.split())
    said = run(PROGRAM, "service", "status")
    check("service status", said.returncode == 0 and "frames/s" in said.stdout, said.stdout.splitlines()[0])


def confined(*command: str) -> subprocess.CompletedProcess[str]:
    properties = [f"--property={line}" for line in confinement()]
    return run("systemd-run", "--wait", "--pipe", "--quiet", "--uid=waste-edge", *properties, *command)


def confinement() -> list[str]:
    """The unit's own lines that confine memory and system calls."""
    wanted = ("MemoryDenyWriteExecute=", "SystemCall", "LockPersonality=", "Restrict", "ProtectSystem=", "PrivateTmp=")
    unit = Path(f"/etc/systemd/system/{UNIT}").read_text().splitlines()
    return [line for line in unit if line.startswith(wanted)]


def of_its_end_by_others() -> None:
    restarts = int(show("NRestarts"))
    os.kill(int(show("MainPID")), signal.SIGKILL)
    seconds = wait(lambda: active_again_after(restarts), 60)
    check("kill -9 brings it back", seconds < 60, f"after {seconds:.1f} s")
    DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    DROP_IN.write_text("[Service]\nWatchdogSec=5\nRestartSec=1\n")  # a minute would be long to wait for
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", UNIT)
    restarts, before = int(show("NRestarts")), show("MainPID")
    time.sleep(12)
    check("a loop that looks is left alone", show("MainPID") == before, "12 s with a watchdog of 5 s")
    os.kill(int(before), signal.SIGSTOP)
    seconds = wait(lambda: active_again_after(restarts), 60)
    journal = run("journalctl", "-u", UNIT, "-o", "cat", "--no-pager").stdout
    check("a stopped process is ended by the watchdog", "Watchdog timeout" in journal, f"back after {seconds:.1f} s")


def of_a_program_that_fails() -> None:
    DROP_IN.write_text("[Service]\nExecStart=\nExecStart=/bin/false\nRestartSec=1\n")
    installed = run(PROGRAM, "service", "install")
    said = (
        installed.returncode == 1 and "is installed and starts at every boot, but is not ready now" in installed.stdout
    )
    check("install says that the service is not ready", said, installed.stdout.splitlines()[-1:])
    seconds = wait(lambda: int(show("NRestarts")) > 7, 60)  # systemd's own limit is five in ten seconds
    check("it is never given up", seconds < 60, f"{show('NRestarts')} restarts")
    answers: list[subprocess.CompletedProcess[str]] = []

    def it_says_why() -> bool:  # between two of its starts, not in one
        answers.append(run(PROGRAM, "service", "status"))
        return "service logs" in answers[-1].stdout

    wait(it_says_why, 60)
    status = answers[-1]
    check(
        "status has the remedy",
        status.returncode == 1 and "service logs" in status.stdout,
        status.stdout.split("  ")[-1].strip(),
    )
    logs = run(PROGRAM, "service", "logs")
    check(
        "service logs", logs.returncode == 0 and "Scheduled restart job" in logs.stdout, logs.stdout.splitlines()[-1:]
    )
    DROP_IN.unlink()
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", UNIT)


def of_reload_stop_and_removal() -> None:
    before = show("MainPID")
    reloaded = run("systemctl", "reload", UNIT)
    same = wait(lambda: show("ActiveState") == "active", 20) < 20 and show("MainPID") == before
    check("reload keeps the process", reloaded.returncode == 0 and same, f"pid {before}")
    started = time.monotonic()
    run("systemctl", "stop", UNIT)
    seconds = time.monotonic() - started
    check("it stops within two seconds", seconds < 2 and show("Result") == "success", f"{seconds:.1f} s")
    again = run(PROGRAM, "service", "install")
    check("installed again, it runs again", again.returncode == 0 and show("ActiveState") == "active", "twice is once")
    removed = run(PROGRAM, "service", "uninstall")
    gone = not Path(f"/etc/systemd/system/{UNIT}").exists()
    check(
        "uninstall removes the unit and keeps the data",
        removed.returncode == 0 and gone and Path("/var/lib/waste-edge").is_dir(),
        "/var/lib/waste-edge is there",
    )


try:
    main()
finally:
    DROP_IN.unlink(missing_ok=True)
    report()
