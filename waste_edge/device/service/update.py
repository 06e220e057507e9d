"""`waste-edge service update`: a new environment beside the old one, and back if the service is not ready in it.

What the service keeps (/etc/waste-edge, /var/lib/waste-edge) is touched by neither way.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from waste_edge.device.service.environments import LINK, Environments, Source
from waste_edge.device.service.instances import ONLY, Instance, installed_instances
from waste_edge.device.service.steps import Tell
from waste_edge.device.service.unit import Places
from waste_edge.device.service.wheels import check_signature, read_list
from waste_edge.errors import UserError, WasteEdgeError

READY_S = 120  # the unit's TimeoutStartSec
STOP_S = 20  # TimeoutStopSec, and what systemd itself takes
Start = Callable[[Path], None]


def start_services(program: Path, root: Path = Path("/")) -> None:
    """Have `program` install its own units and restart every station of this board; returns once all are ready.

    Its own, since a new version may need another unit, and an old one the old.

    Raises:
        WasteEdgeError: one is not ready in time.
    """
    for instance in installed_instances(root):
        start_service(program, instance)


def start_service(program: Path, instance: Instance = ONLY) -> None:
    """The same for one station.

    Raises:
        WasteEdgeError: it is not ready in time.
    """
    command = [str(program), "service", "install", *instance.option.split()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=READY_S + STOP_S)
    except subprocess.TimeoutExpired as error:
        raise WasteEdgeError(f"not ready within {READY_S} s") from error
    except OSError as error:
        raise WasteEdgeError(f"{program}: cannot be started ({error.strerror})") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise WasteEdgeError(said[-1].removeprefix("waste-edge: "))


def plan(source: Source, environments: Environments) -> list[str]:
    """List the steps that `update` would take, a line each."""
    new = environments.next()
    if environments.holds(source):
        return [f"# {environments.link}: made from this very source; nothing is to be done"]
    return [
        f"$ {environments.python} -m venv --system-site-packages {new}",
        f"$ {new}/bin/pip install {' '.join(source.pip_arguments)}",
        f"# {environments.link} leads to {new.name}",
        *(f"$ {environments.program} service install{one.option}" for one in installed_instances() or [ONLY]),
        f"# not ready within {READY_S} s: {LINK} leads back to {_in_use(environments).name}, which is started again",
    ]


def update(
    source: Source,
    places: Places,
    environments: Environments,
    start: Start | None = None,
    tell: Tell = lambda line: None,
    key: Path | None = None,
) -> bool:
    """Put the service on `source`; False if it is on it already.

    Args:
        source: what is installed.
        places: where the service's files are.
        environments: where its environments are.
        start: starts the service from a program, and raises WasteEdgeError unless it becomes ready; None:
            `start_services`.
        tell: is given a line once each step is done.
        key: whose signature the list of the wheels must have; None if the station requires none.

    Raises:
        UserError: wheels that are not what their list says, or a list without the signature that is required.
        UserError: not root, the service is not installed, or not from environments that can be switched.
        WasteEdgeError: the new environment could not be made, or the service was not ready in it; the old one runs.
    """
    if os.geteuid() != 0:
        raise UserError("service update needs root: say it again with sudo (--dry-run does not)")
    if not installed_instances(places.root):
        raise UserError(f"{places.unit}: the service is not installed; sudo device/install.sh installs it")
    old = _in_use(environments)
    if environments.holds(source):
        return False
    remark = _trust(source, key)
    new = environments.make(source)
    tell(f"# {new}: made, beside {old.name}{remark}")
    with _undisturbed():
        _switch(environments, old, new, start or partial(start_services, root=places.root))
    ready = " and ".join(one.unit for one in installed_instances(places.root))
    tell(f"# {environments.link} leads to {new.name}; {ready} {'are' if ' and ' in ready else 'is'} ready")
    environments.remove_all_but(old, new)
    return True


def required_key(config: Path, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The key that this station requires of bundles, and so of programs: of the environment or its station.toml.

    Raises:
        ConfigError: the configuration cannot be read.
    """
    if given := environment.get("WASTE_EDGE_REQUIRE_KEY"):
        return Path(given)
    if not config.exists():
        return None
    from waste_edge.device.config import read_config

    key = read_config(config).require_key
    return Path(key) if key else None


def _trust(source: Source, key: Path | None) -> str:
    """See that what is to be installed as root comes from whom the station believes, as far as it was told to.

    Returns:
        A remark for whoever reads along; empty if there is none.
    """
    if source.wheels is None:
        if key is not None and source.hashes is None:
            raise UserError(f"this station requires {key}: give --hashes FILE with --version, or signed wheels")
        return ""
    if key is not None:
        check_signature(source.wheels, key)
        if source.online:
            raise UserError(f"this station requires {key}: what is downloaded has no signature; leave out --online")
    elif read_list(source.wheels) is None:
        return f"; {source.wheels} has no SHA256SUMS, so its wheels were taken as they are"
    return ""


def _switch(environments: Environments, old: Path, new: Path, start: Start) -> None:
    environments.use(new)
    try:
        start(environments.program)
        return
    except WasteEdgeError as error:
        reason = error
    environments.use(old)
    try:
        start(environments.program)
    except WasteEdgeError as error:
        raise WasteEdgeError(
            f"neither the new version is ready ({reason}) nor, gone back to, the old one ({error}); "
            "see why with: waste-edge service logs"
        ) from reason
    environments.remove_all_but(old)
    raise WasteEdgeError(f"the new version was not ready: {reason}; the old one runs again, and nothing is lost")


def _in_use(environments: Environments) -> Path:
    found = environments.in_use()
    if found is None:
        raise UserError(
            f"{environments.link}: leads to no environment, so there is nothing to go back to; "
            "sudo device/install.sh makes one"
        )
    return found


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Between the switch and the verdict a lost SSH connection or Ctrl-C must not leave an unproven version in use."""
    signals = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(one, signal.SIG_IGN) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)
