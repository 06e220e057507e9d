"""Runs inside the booted Debian, as root: `waste-edge setup` makes a station, with every answer as an option.

Nothing of ours is there but an unpacked environment: no user, no settings, no unit. The camera is one in the network
that plays the demo's film, so that what the station decides is of items.
"""

from __future__ import annotations

import grp
import re
import tomllib
from pathlib import Path

from inside import PROGRAM, UNIT, check, events, report, run, show, wait

CONFIG = Path("/etc/waste-edge/station.toml")
UNIT_FILE = Path(f"/etc/systemd/system/{UNIT}")
CAMERA = "http://127.0.0.1:8600/film.mjpg"
ANSWERS = (
    "--name", "bin 7", "--camera", CAMERA, "--site", "four_bins", "--broker", "none", "--page", "network",
    "--light", "none", "--button", "none", "--service", "--no-commission",
)  # fmt: skip
ITEMS = 4  # a minute of the film has more


def setup(*words: str) -> tuple[int, str]:
    done = run(PROGRAM, "setup", "--yes", *words)
    return done.returncode, done.stdout


def main() -> None:
    check("nothing of ours is here", not CONFIG.exists() and not UNIT_FILE.exists() and not _group(), "")
    # As device/install.sh does it, which would go on to the service.
    program = ("env", "PYTHONPATH=" + str(next(Path("/trial/wheels").glob("waste_edge-*.whl"))), "python3", "-P", "-m")
    made = run(*program, "waste_edge.device.service.environments", "--wheels", "/trial/wheels")
    check("an environment is made", made.returncode == 0, made.stdout.splitlines()[-1:])
    run("systemd-run", "--unit=film", "/opt/waste-edge/current/bin/python", "/trial/film.py", "8600")
    of_wrong_answers()
    of_the_first_setup()
    of_the_same_again()
    of_another_name()


def of_wrong_answers() -> None:
    code, said = setup(*ANSWERS, "--site", "nowhere")
    line = said.strip().splitlines()
    nothing = not CONFIG.exists() and not UNIT_FILE.exists() and not _group()
    check("a wrong answer is one line, and nothing is there", code == 2 and len(line) == 1 and nothing, line[:1])
    code, said = setup(*ANSWERS, "--broker", "127.0.0.1:1")
    line = said.strip().splitlines()
    refused = code == 2 and "connection refused" in said and len(line) == 1 and not CONFIG.exists()
    check("so is a broker that is away", refused, line[:1])


def of_the_first_setup() -> None:
    code, said = setup(*ANSWERS)
    values = tomllib.loads(CONFIG.read_text()) if CONFIG.exists() else {}
    # 2: the doctor finds something bad, of which a container has some; the service is installed all the same.
    right = code in (0, 2) and values.get("name") == "bin 7" and values.get("source") == CAMERA
    check("setup writes what was answered", right, f"exit {code}, site {values.get('site')}, {values.get('page')}")
    doctor = re.search(r"\(\d+ ok, \d+ warn, \d+ bad; .* s\)", said)
    film = re.search(rf"^ok +camera +{CAMERA} gives frames$", said, re.MULTILINE)
    check("then the doctor looks, and sees the film", doctor and film, doctor and doctor[0])
    runs = "runs, now and at every boot" in said and show("ActiveState") == "active"
    check("then the service is installed, and runs", runs, f"{show('SubState')}, {show('UnitFileState')}")
    modes = {path.name: f"{path.stat().st_mode & 0o777:o} {path.group()}" for path in CONFIG.parent.iterdir()}
    private = modes == {"station.toml": "640 waste-edge", "page-token": "640 waste-edge"}
    check("its group alone reads settings and token", private, modes)
    seconds = wait(lambda: len(events()) >= ITEMS, 180)
    decided = [one["decision"] for one in events()]
    labels = [f"{one['label']} ({one['stream']})" for one in decided if isinstance(one, dict)]
    check("it decides items of the film", seconds < 180, ", ".join(labels))
    check("under its name", {one["station"] for one in events()} == {"bin 7"}, "bin 7")


def of_the_same_again() -> None:
    before, pid = CONFIG.read_bytes(), show("MainPID")
    written = CONFIG.stat().st_mtime_ns
    code, said = setup(*ANSWERS)
    same = CONFIG.read_bytes() == before and CONFIG.stat().st_mtime_ns == written
    right = code in (0, 2) and f"{CONFIG}: nothing to change" in said and same
    check("the same again changes nothing", right, said.splitlines()[0])
    seconds = wait(lambda: show("ActiveState") == "active", 20)  # it is asked to read its settings again
    check("and the process stays", show("MainPID") == pid and seconds < 20, f"pid {pid}")


def of_another_name() -> None:
    before, pid = CONFIG.read_bytes(), show("MainPID")
    code, said = setup("--name", "bin 8", "--dry-run", "--no-doctor")
    lines = [line for line in said.splitlines() if line.startswith(("-name", "+name"))]
    shown = lines == ['-name = "bin 7"', '+name = "bin 8"'] and CONFIG.read_bytes() == before
    check("a dry run shows the difference and writes nothing", code == 0 and shown, lines)
    code, said = setup("--name", "bin 8", "--service", "--no-doctor")
    token = (CONFIG.parent / "page-token").exists() and "page-token" not in said.partition("written")[0]
    values = tomllib.loads(CONFIG.read_text())
    right = code == 0 and values["name"] == "bin 8" and values["source"] == CAMERA and token
    lines = [line for line in said.splitlines() if re.match(r"[+-]\w", line)]
    check("another name changes that alone", right and len(lines) == 2, lines)
    heard = wait(lambda: events()[-1]["station"] == "bin 8", 120)
    check("the service reads it, without a new start", heard < 120 and show("MainPID") == pid, f"after {heard:.0f} s")


def _group() -> bool:
    return "waste-edge" in {one.gr_name for one in grp.getgrall()}


try:
    main()
finally:
    report()
