"""`waste-edge commission`: a station is shown its own items, and learns from them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from waste_edge.cli.commission_talk import Json, Talk, Text
from waste_edge.cli.common import AUTO_BUNDLE, JsonOption, StationBundleOption, say, say_json, was_given

if TYPE_CHECKING:
    from waste_edge.device.commission.install import Installation
    from waste_edge.device.commission.outcome import Outcome
    from waste_edge.device.commission.session import Session
    from waste_edge.device.config import StationConfig
    from waste_edge.device.page.config import PageConfig

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="TOML", help="The station.toml; options given here override it."),
]
CameraOption = Annotated[
    str | None, typer.Option("--camera", metavar="[ID]", help="A camera, as for run. Alone: the first that works.")
]
SourceOption = Annotated[
    str | None, typer.Option("--source", metavar="PATH|URL", help="A film, or an rtsp/http stream, as for run.")
]
ShotsOption = Annotated[
    Path | None,
    typer.Option(
        "--shots",
        metavar="DIR",
        help="Pictures instead of a camera: one folder a label (and `unknown`), a picture an item; a folder in a "
        "label's folder holds views of one item.",
    ),
]
ShowOption = Annotated[
    str,
    typer.Option(
        "--show",
        metavar="LABEL,LABEL,…",
        help="Labels of the items in the order in which they come up, instead of asking; + is the same item again.",
    ),
]
OwnOption = Annotated[
    list[str] | None,
    typer.Option(
        "--own",
        metavar="LABEL=OTHER",
        help="Teach a label that the model does not have; it goes where the model's OTHER goes. May be repeated.",
    ),
]
PageOption = Annotated[
    str | None,
    typer.Option(
        "--page",
        metavar="[ADDRESS]",
        help="Show all of it in the browser, too: alone where the configuration's table `page` says, or at "
        "http://127.0.0.1:8470; else at a HOST, a PORT or HOST:PORT. Other machines need a token: docs/page.md.",
    ),
]


# Options of which the second ones would be ignored beside the first.
_EXCLUSIVE = {
    "undo": (
        *("camera", "source", "shots", "show", "own", "from_answers", "items", "sign"),
        *("install", "despite", "out", "restart", "page"),
    ),
    "from_answers": ("camera", "source", "shots", "show"),
    "shots": ("camera", "source", "show"),
}


def command(
    context: typer.Context,
    config: ConfigOption = None,
    camera: CameraOption = None,
    source: SourceOption = None,
    shots: ShotsOption = None,
    show: ShowOption = "",
    own: OwnOption = None,
    from_answers: Annotated[
        bool, typer.Option("--from-answers", help="Add the items that people answered since, by what the outbox kept.")
    ] = False,
    items: Annotated[int, typer.Option("--items", min=2, max=200, help="Items of each label to ask for.")] = 10,
    bundle: StationBundleOption = AUTO_BUNDLE,
    site: Annotated[str | None, typer.Option("--site", help="A site.toml, or the name of a shipped one.")] = None,
    state: Annotated[str | None, typer.Option("--state", metavar="DIR", help="Folder of the station.")] = None,
    sign: Annotated[
        Path | None,
        typer.Option("--sign", metavar="KEY", help="Sign with this private key; needed where a key is required."),
    ] = None,
    install: Annotated[
        bool | None, typer.Option("--install/--no-install", help="Install it if it is better; default: ask.")
    ] = None,
    despite: Annotated[
        bool,
        typer.Option("--despite", help="Make it although it is not shown to be better; history and card say so."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the new bundle there, and install nothing.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Put back the model from before, and do nothing else.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what was shown before.")] = False,
    page: PageOption = None,
    json: JsonOption = False,
) -> None:
    """Teach a station its own items: an hour at the bin, without torch or a network.

    Looks at the view (which can be turned) in each light, asks for items of each
    label, refuses blurred, empty, half-visible and repeated shots, fits a new
    last layer beside the same network, says on items left out whether it is
    better and by how much, and installs it as a new version of the bundle.
    Stopped, it goes on where it was. No picture is kept. The story with figures:
    docs/commission.md.

    \b
    Examples:
      waste-edge commission --config station.toml
      waste-edge commission --camera --state station/ --own coffee_cup=trash
      waste-edge commission --config station.toml --page        and in the browser
      waste-edge commission --shots photos/ --state station/ --install
      waste-edge commission --config station.toml --from-answers
      waste-edge commission --state station/ --undo

    It starts from the model in charge: the configured bundle, or one that was
    installed since. A head that this station learnt before has to be beaten, too.

    Exit code 0: done, or stopped to go on another time; also if the new head is
    not better and nobody asked to install it. 2: it cannot be done; or --install
    or --out was given, and the head is not better, or too little was shown.
    """
    import os

    from waste_edge.bundle.signing import read_signer
    from waste_edge.device.commission.dialogue import Note
    from waste_edge.device.commission.install import Installation, check_signer
    from waste_edge.device.commission.session import opened_session
    from waste_edge.errors import UserError
    from waste_edge.libraries import ONE_THREAD

    os.environ.update(ONE_THREAD | os.environ)  # before OpenCV is imported
    _refuse_together(context)
    station = _config(context, config)
    if undo:
        _undo(station, json)
        return
    signer = None if sign is None else read_signer(sign)
    check_signer(signer, None if station.require_key is None else Path(station.require_key))
    shown_at = _page_config(station, page)
    script = tuple(word.strip() for word in show.split(",") if word.strip())
    with opened_session(station, _own(own or []), restart, was_given(context, "bundle")) as session:
        talk = Talk(Json() if json else Text(), script, items)
        with _page(session, shown_at, talk, () if config is None else (config,)) as talk:
            if session.start:
                talk.say(Note("state", session.start))
            if from_answers:
                _answered(session, talk)
            else:
                _shoot(session, shots, talk)
            outcome = _outcome(session, talk)
            if outcome is None:
                if install or out is not None:
                    raise UserError("nothing was fitted, and so nothing was made; what was shown is kept")
                return
            watched = station.models.probation_items > 0
            installation = Installation(session.state, station.name, session.site, signer, despite, watched)
            talk.end(*_finish(session, outcome, installation, talk, (out, install, json)))


def _page_config(station: StationConfig, address: str | None) -> PageConfig | None:
    """The page's table with the address that was given, checked before a camera is opened; None without `--page`."""
    if address is None:
        return None
    from waste_edge.device.page.config import PageConfig, read_token, require_packages, with_address

    config = with_address(station.page or PageConfig(), address)
    require_packages()
    read_token(config)
    return config


@contextlib.contextmanager
def _page(session: Session, config: PageConfig | None, talk: Talk, hidden: tuple[Path, ...]) -> Iterator[Talk]:
    """The talk with its page, if there is to be one; without, nothing of it is imported."""
    if config is None:
        yield talk
        return
    from waste_edge.device.commission.dialogue import Note
    from waste_edge.device.commission.page import opened_page

    with opened_page(config, session, talk.wanted, hidden) as page:
        talk.tell(Note("page", f"page: {config.address_for_others or config.address}"))
        yield replace(talk, page=page)


def _config(context: typer.Context, path: Path | None) -> StationConfig:
    """The configuration with the options of the command line in the place of its keys."""
    import msgspec

    from waste_edge.device.config import StationConfig, read_config, with_paths

    given = {name: value for name, value in context.params.items() if was_given(context, name)}
    config = StationConfig() if path is None else read_config(path)
    if {"camera", "source", "shots"} & set(given):
        config = msgspec.structs.replace(config, camera=None, source=None)
    keys = {name: given[name] for name in ("camera", "source", "bundle", "site", "state") if name in given}
    return with_paths(msgspec.structs.replace(config, **keys))


def _refuse_together(context: typer.Context) -> None:
    """Refuse options of which one would be ignored beside the other."""
    from waste_edge.errors import UserError

    given = {param: was_given(context, param) for param in context.params}
    spelled = {param: f"--{param.replace('_', '-')}" for param in given}
    if context.params["install"] is False:
        spelled["install"] = "--no-install"
    excluded = {param: others for param, others in _EXCLUSIVE.items() if given[param]}
    if context.params["install"]:
        excluded["out"] = ("install",) if given["out"] else ()
    elif given["install"] and not given["out"]:
        excluded["install"] = ("despite",)
    for param, others in excluded.items():
        for other in others:
            if given[other]:
                raise UserError(f"{spelled[param]} and {spelled[other]} exclude each other; keep one")


def _own(given: list[str]) -> dict[str, str]:
    from waste_edge.errors import UserError

    found = {}
    for word in given:
        label, equals, other = word.partition("=")
        if not (label and equals and other):
            raise UserError(f"--own {word}: expected LABEL=OTHER, where OTHER is the model's label that it goes with")
        found[label.strip()] = other.strip()
    return found


def _shoot(session: Session, shots: Path | None, talk: Talk) -> None:
    """Show what there is: pictures of a folder, a film by its script, or what a person puts before the camera."""
    from waste_edge.device.commission.dialogue import Dialogue, Note, shots_of
    from waste_edge.device.commission.shooting import items_of_folder, shoot_folder
    from waste_edge.errors import UserError
    from waste_edge.taxonomy import UNKNOWN

    labels = session.records.setup.all_labels
    for word in talk.script:
        if word not in (*labels, UNKNOWN, "+"):
            raise UserError(f"--show {word}: is no label; expected {', '.join(labels)}, {UNKNOWN} or +")
    if shots is not None:
        folder = items_of_folder(shots, labels)
        refused = shots_of(shoot_folder(session.shutter(live=False), session.records, folder), talk.say)
        taken = sum(session.records.items(label) for label in (*labels, UNKNOWN))
        talk.say(Note("state", f"{taken} items taken, {refused} shots refused"))
        return
    nothing_to_see = session.config.camera is None and session.config.source is None
    if nothing_to_see and session.records.shots and not talk.script:
        return  # what was shown before is looked at once more
    source = session.source()
    if not source.live and not talk.script:
        raise UserError("a film does not say what it shows: name its items, in their order, with --show LABEL,LABEL,…")
    if source.still_images:
        raise UserError("--source with pictures: give them with --shots, one folder a label")
    with session.messages(source) as messages:
        with talk.held() as conversation:
            shutter = session.shutter(source.live)
            parts = (session.bundle, session.view, shutter, session.records)
            dialogue = Dialogue(*parts, conversation, session.incumbent)
            why = dialogue.hold(messages)
        talk.say(Note("state", why))


def _answered(session: Session, talk: Talk) -> None:
    """Add what people answered at this station."""
    from waste_edge.device.commission.dialogue import Note, shots_of
    from waste_edge.device.commission.from_answers import shots_of_answers

    before = len({shot.item for shot in session.records.shots})
    refused = shots_of(shots_of_answers(session.state, session.bundle, session.records), talk.say)
    added = len({shot.item for shot in session.records.shots}) - before
    talk.say(Note("state", f"{added} answered items added, {refused} refused"))


def _outcome(session: Session, talk: Talk) -> Outcome | None:
    from waste_edge.device.commission.dialogue import Note
    from waste_edge.device.commission.outcome import can_fit, concerns, evaluate, missing

    lacking = missing(session.records, talk.wanted)
    if not can_fit(session.records):
        text = f"still to be shown: {'; '.join(lacking)}"
        talk.say(Note("missing", text))
        if talk.page is not None:
            talk.page.end(f"nothing was fitted; {text}; what was shown is kept")
        return None
    outcome = evaluate(session.records, session.bundle, session.site, session.incumbent)
    talk.say(Note("outcome", outcome.verdict, outcome=outcome))
    for line in [*concerns(outcome, session.records.setup.labels), *(f"still to be shown {one}" for one in lacking)]:
        talk.say(Note("missing", line))
    return outcome


def _finish(
    session: Session,
    outcome: Outcome,
    installation: Installation,
    talk: Talk,
    wishes: tuple[Path | None, bool | None, bool],
) -> tuple[str, dict[str, Any]]:
    """Write or install the bundle as wished; returns what became of it, for people and as JSON."""
    from waste_edge.device.commission.dialogue import Note
    from waste_edge.device.commission.new_bundle import NOT_BETTER

    out, wanted, json = wishes
    if out is not None:
        installation.write(session.bundle, session.records, outcome, out)
        text, fields = f"{out}: written", {"written": str(out)}
        return (text, fields) if outcome.better else (f"{text}, {NOT_BETTER}", fields | {"despite": True})
    if wanted is None:
        if talk.page is None and (json or not sys.stdin.isatty()):
            return "nothing was installed; give --install", {"installed": None}
        if not outcome.better and not installation.despite:
            return "nothing was installed, since the new head is not shown to be better", {"installed": None}
        wanted = talk.confirmed("Install it?")
    if not wanted:
        return "nothing was installed; what was shown is kept", {"installed": None}
    talk.say(Note("state", "replays the new bundle on this machine, and installs it"))
    entry = installation.install(session.bundle, session.records, outcome)
    said = "" if outcome.better else f" {NOT_BETTER}"
    text = f"installed {entry.title}{said}; a running station takes it over; --undo puts the old one back"
    told = {"name": entry.name, "version": entry.version, "digest": entry.digest, "despite": not outcome.better}
    return text, {"installed": told}


def _undo(station: StationConfig, json: bool) -> None:
    from waste_edge.device.commission.install import undo
    from waste_edge.device.config import state_folder
    from waste_edge.errors import ConfigError
    from waste_edge.files.strict import encode_json

    state = state_folder(station)
    if state is None:
        raise ConfigError("no state folder: give --state DIR, or `state` in station.toml")
    entry = undo(state)
    then = "the configured bundle" if entry is None else entry.title
    if json:
        say_json(encode_json({"event": "undone", "in_charge": entry}).decode())
    else:
        say(f"undone: {then} is in charge again")
