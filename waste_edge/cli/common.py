"""Options and output helpers that several verbs share."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from waste_edge.bundle.signing import REQUIRE_KEY_VARIABLE
from waste_edge.errors import ConfigError, PictureError
from waste_edge.errors import extra_required as host_only
from waste_edge.files.resources import AUTO_BUNDLE, DEFAULT_BUNDLE
from waste_edge.files.text import visible, visible_json

if TYPE_CHECKING:
    from rich.console import Console

    from waste_edge.bundle.bundle import Bundle

LINE_EVERY_S = 30.0  # of progress, where stderr is no terminal
PrecisionChoice = Literal["int8", "fp32"]

BundleOption = Annotated[
    str, typer.Option("--bundle", "-b", help="A bundle: folder, .zip, or the name of one that ships with the package.")
]
StationBundleOption = Annotated[
    str,
    typer.Option(
        "--bundle",
        "-b",
        help="A bundle: folder, .zip, or the name of one that ships with the package. auto: the most accurate shipped "
        "one that this board affords, measured once.",
    ),
]


def check_engine(given: str) -> str:
    """Return the named engine; raises ConfigError if there is none of that name."""
    from waste_edge.engines.names import check_engine_name

    try:
        check_engine_name(given)
    except ConfigError as error:
        raise ConfigError(f"--engine {error}") from error
    return given


EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="auto|litert|onnx|PLUG-IN",
        callback=check_engine,
        help="Inference engine; auto: LiteRT where it is installed.",
    ),
]
PrecisionOption = Annotated[
    PrecisionChoice, typer.Option("--precision", help="Precision of the bundle's network to run.")
]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, max=64, help="Threads of the engine.")]
RequireKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--require-key",
        metavar="PUB",
        envvar=REQUIRE_KEY_VARIABLE,
        help="Refuse every bundle that was not signed by this public key (export --sign). Set for the whole "
        "device by the variable, which every verb heeds.",
    ),
]
AllowOlderOption = Annotated[
    bool,
    typer.Option(
        "--allow-older",
        help="With a required key: accept an older version of a bundle than this device has used.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]
DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Folder with one folder of pictures a label (or with images/ and groups.csv, or with train/, val/ and "
        "test/), or a CSV file of path,label.",
    ),
]

__all__ = ["AUTO_BUNDLE", "DEFAULT_BUNDLE", "host_only"]


def was_given(context: typer.Context, name: str) -> bool:
    """Return whether a parameter was given on the command line or by its variable, whatever its value."""
    source = context.get_parameter_source(name)
    # By name: this is Click's own, or the copy that Typer brings.
    return source is not None and source.name in ("COMMANDLINE", "ENVIRONMENT")


def console(stderr: bool = False) -> Console:
    """A rich console that shows text from outside escaped; plain text where there is no terminal."""
    from waste_edge.cli.screen import Screen

    return Screen(stderr=stderr, highlight=False)


def say(text: str, err: bool = False) -> None:
    """Print lines of ours that may hold text from outside."""
    typer.echo(visible(text, lines=True), err=err)


def say_json(document: str) -> None:
    """Print a JSON document, or a line of one."""
    typer.echo(visible_json(document.removesuffix("\n")))


@contextlib.contextmanager
def opened_bundle(given: str, require_key: Path | None = None, allow_older: bool = False) -> Iterator[Bundle]:
    """The bundle a user meant, closed afterwards; see `open_required`."""
    from waste_edge.bundle.opening import open_required

    with open_required(given, require_key, allow_older) as bundle:
        yield bundle


@contextlib.contextmanager
def progress_bars() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Progress of what takes long, with an estimate of the time left, on stderr for as long as the block lasts.

    On a terminal a bar; elsewhere a line every thirty seconds, so that what is done sooner says nothing. Give it a
    title, and call what comes back with done and total.
    """
    from rich.progress import Progress

    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _lines
        return
    with Progress(console=screen, transient=True) as bar:

        def watch(title: str) -> Callable[[int, int], None]:
            task = bar.add_task(title, total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield watch


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Progress of one thing; see `progress_bars`. Call it with done and total."""
    with progress_bars() as watch:
        yield watch(title)


def _lines(title: str) -> Callable[[int, int], None]:
    """Tell of progress in lines, each with an estimate by what was done since the last one."""
    told_s, told = time.monotonic(), 0

    def tell(done: int, total: int) -> None:
        nonlocal told_s, told
        now_s = time.monotonic()
        if now_s - told_s < LINE_EVERY_S or done >= total:
            return
        left_s = (total - done) * (now_s - told_s) / max(1, done - told)
        say(f"{title}: {done:,} of {total:,}, about {_duration(left_s)} left", err=True)
        told_s, told = now_s, done

    return tell


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


def pictures_of(given: Path) -> Iterator[Path]:
    """The pictures below a folder, or the path itself; raises PictureError for a folder without pictures."""
    from waste_edge.files.remarks import remark
    from waste_edge.imaging.image_files import look_for_pictures

    try:
        if not given.is_dir():
            yield given
            return
        found = look_for_pictures(given)
    except OSError as error:
        raise PictureError(f"{error.filename}: cannot be listed ({error.strerror}); check its permissions") from error
    told = found.remark(given)
    if not found.pictures:
        raise PictureError(told or f"{given}: folder without pictures; expected .jpg, .png or the like in it")
    if told:
        remark(told)
    yield from found.pictures


def report_bad_picture(error: PictureError) -> int:
    """Tell of one failure in one line on stderr; returns 1, to be counted."""
    say(f"waste-edge: {visible(str(error))}", err=True)
    return 1
