"""`waste-edge model`: another model for a running station, tried before it decides, and taken back if it does badly."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waste_edge.cli.common import JsonOption, RequireKeyOption, say, say_json

if TYPE_CHECKING:
    from waste_edge.device.models.checks import Finding
    from waste_edge.device.models.install import Installed, Installer
    from waste_edge.device.models.roles import Change, Entry, Roles
    from waste_edge.device.models.store import ModelStore

app = typer.Typer(
    help="Install, list and take back the models of a station, which may be running.",
    no_args_is_help=True,
    add_completion=False,
)

StateOption = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="Folder of the station.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="TOML", help="The station.toml that names folder, site and key; else the service's."
    ),
]
_MOST_CHANGES = 20


@app.command("install")
def install(
    source: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE|URL|FOLDER",
            help="A bundle (folder, .zip or shipped name), its address (https, http, file), or a folder with bundles "
            "in it, such as a USB stick's: the newest one is taken.",
        ),
    ],
    config: ConfigOption = None,
    state: StateOption = None,
    now: Annotated[
        bool, typer.Option("--now", help="Put it in charge at once, without comparing it with the model before it.")
    ] = False,
    require_key: RequireKeyOption = None,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Take an older version than one that was in charge here.")
    ] = False,
    unattended: Annotated[
        bool,
        typer.Option(
            "--unattended",
            help="Install where nobody reads what is said: the running station's health tells a refusal, too, and a "
            "folder without a bundle is none.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Install a model: check it here, then compare it with the one in charge.

    Checked are every file's SHA-256, the signature, the version, the size, the
    labels against the site, the golden outputs, the time and the memory on this
    board. Then it is shown the same items as the model in charge, and decides
    nothing, until people's answers show that it is better or worse.

    \b
    Examples:
      waste-edge model install new.zip --config station.toml
      waste-edge model install https://example.org/new.zip --require-key PUB
      waste-edge model install /media/usb --now

    Exit code 0: installed. 2: refused; the line says why.
    """
    from waste_edge.files.strict import to_json

    def tell(found: Finding) -> None:
        if not json:
            say(f"ok    {found.check:10}  {found.text}")

    installer = _installer(config, state, require_key, allow_older, tell)
    installed = _unattended(installer, source, now) if unattended else installer.install(source, now)
    if installed is None:
        text = f"{source}: holds no bundle; nothing to install"
        say_json(to_json({"outcome": "none", "text": text})) if json else say(text)
    elif json:
        say_json(to_json(installed))
    else:
        say(installed.text)


@app.command("list")
def list_models(config: ConfigOption = None, state: StateOption = None, json: JsonOption = False) -> None:
    """List the installed models with their roles.

    Example: [bold]waste-edge model list --state station/[/]
    """
    store = _store(config, state)
    rows = _rows(store)
    if json:
        _print_json({"folder": str(store.folder), "models": rows})
        return
    for row in rows:
        damaged = "" if row["whole"] else "  DAMAGED"
        say(f"{row['role']:10}  {row['name']} {row['version']}  {row['digest'][:12]}{damaged}")
    if not rows:
        say(f"{store.folder}: no model is installed; the station runs the bundle that its configuration names")


@app.command("rollback")
def rollback(
    config: ConfigOption = None,
    state: StateOption = None,
    reason: Annotated[str, typer.Option("--reason", help="Sentence for the history.")] = "taken back by hand",
    json: JsonOption = False,
) -> None:
    """Put the model from before in charge again.

    A second time it is the bundle that the configuration names. A running station
    changes over between two items.

    Example: [bold]waste-edge model rollback --reason "sorts cans into paper"[/]
    """
    store = _store(config, state)
    left, back = store.current(), store.rollback(reason)
    if json:
        _print_json({"in_charge": back, "taken_back": left})
        return
    then = "the bundle that the configuration names" if back is None else back.title
    say(f"{left.title if left else 'nothing'} was taken back; in charge is {then}")


@app.command("status")
def status(config: ConfigOption = None, state: StateOption = None, json: JsonOption = False) -> None:
    """Show which model is in charge, how a candidate compares, and what changed.

    Example: [bold]waste-edge model status --json | jq .shadow[/]
    """
    from waste_edge.device.models.figures import read_figures
    from waste_edge.device.models.install import read_refusal

    store = _store(config, state)
    roles, history, figures = store.roles(), store.history(), read_figures(store.folder)
    refused = read_refusal(store)
    if json:
        shown = {"roles": roles, "shadow": figures.shadow, "watched": figures.watched, "refused": refused}
        _print_json({"folder": str(store.folder), **shown, "history": history})
        return
    say(_title("in charge", roles.current))
    if roles.on_probation:
        say(f"  on probation: {figures.watched.text if figures.watched else 'the station has not run it yet'}")
    if roles.previous is not None or roles.current is not None:
        say(_title("before", roles.previous))
    if roles.candidate is not None:
        say(_title("candidate", roles.candidate))
        say(f"  {figures.shadow.text if figures.shadow else 'was shown no item yet'}")
    if refused is not None:
        say(f"{'refused':10}  {refused.time_utc}  {refused.reason}")
    for change in history[-_MOST_CHANGES:]:
        say(_line(change))


def _unattended(installer: Installer, source: str, now: bool) -> Installed | None:
    """Install with nobody there; None if the folder holds no bundle. What it raises was told the station before."""
    import contextlib
    from dataclasses import replace

    from waste_edge.device.models.fetch import holds_none
    from waste_edge.device.models.install import keep_refusal
    from waste_edge.errors import UserError, WasteEdgeError

    try:
        return None if holds_none(Path(source)) else replace(installer, unattended=True).install(source, now)
    except WasteEdgeError as error:
        with contextlib.suppress(UserError):  # a folder that cannot be written: the reason itself is said anyway
            keep_refusal(installer.store, error)
        raise


def _title(role: str, entry: Entry | None) -> str:
    return f"{role:10}  {'the bundle that the configuration names' if entry is None else entry.title}"


def _line(change: Change) -> str:
    title = "the configured bundle" if change.entry is None else change.entry.title
    return f"{change.number:4}  {change.time_utc}  {change.action.replace('_', ' '):11}  {title}: {change.reason}"


def _rows(store: ModelStore) -> list[dict[str, Any]]:
    from waste_edge.errors import BundleError

    roles: Roles = store.roles()
    rows = []
    for role in ("current", "previous", "candidate"):
        entry: Entry | None = getattr(roles, role)
        if entry is None:
            continue
        try:
            store.open(entry).close()
            whole = True
        except BundleError:
            whole = False
        shown = {"name": entry.name, "version": entry.version, "digest": entry.digest}
        rows.append({"role": role, **shown, "folder": str(store.path(entry)), "whole": whole})
    return rows


def _print_json(document: dict[str, Any]) -> None:
    from waste_edge.files.strict import to_json

    say_json(to_json(document))


def _store(config: Path | None, state: Path | None) -> ModelStore:
    from waste_edge.device.models.store import ModelStore
    from waste_edge.device.service.find_state import find_state

    return ModelStore(find_state(state, config)[0])


def _installer(
    config: Path | None, state: Path | None, require_key: Path | None, allow_older: bool, tell: Any
) -> Installer:
    """The installer of the station that is named, with the options of the command line in the place of its keys."""
    import msgspec

    from waste_edge.device.config import StationConfig
    from waste_edge.device.models.install import Installer
    from waste_edge.device.run import RunPlan, model_wish
    from waste_edge.device.service.find_state import find_state

    folder, found = find_state(state, config)
    station = found or StationConfig()
    station = msgspec.structs.replace(
        station, state=str(folder), require_key=str(require_key) if require_key else station.require_key
    )
    wish = model_wish(RunPlan(station, False, False, True, None, None, config_path=config), remember=False)
    older = allow_older or station.allow_older
    return Installer(wish, folder, station.models, station.answers is not None, older, tell)
