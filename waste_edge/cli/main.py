"""`waste-edge`: gathers the verbs, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import itertools
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Annotated

import typer

from waste_edge import __version__
from waste_edge.cli.manners import ReaderGoneError, Verbs, occupy_standard_streams, reader_has_gone
from waste_edge.errors import UserError, WasteEdgeError
from waste_edge.files.text import visible
from waste_edge.plugins import Group

# Each is a module of `waste_edge.cli`; the groups have verbs of their own.
VERBS = (
    "run",
    "setup",
    "commission",
    "doctor",
    "support",
    "classify",
    "bench",
    "evaluate",
    "rehearse",
    "report",
    "replay",
    "verify",
    "inspect",
    "train",
    "distill",
    "compare",
    "export",
)
GROUPS = ("data", "service", "site", "collect", "model")
# What a verb may be given that plug-ins add to.
_EXTENDED: dict[str, tuple[Group, ...]] = {
    "run": ("cameras", "sinks", "engines"),
    "setup": ("cameras",),
    "commission": ("cameras", "engines"),
    "doctor": ("cameras", "sinks", "engines"),
    "bench": ("engines",),
    "classify": ("engines",),
    "rehearse": ("engines",),
    "train": ("networks",),
    "distill": ("networks",),
}
# Verbs whose --json is one document at their end; verify and inspect tell an error in their own, run and classify print
# a line a picture.
_ONE_DOCUMENT = (
    "doctor", "support", "bench", "evaluate", "rehearse", "report", "replay", "train", "distill", "compare", "export",
    "data", "collect", "model",
)  # fmt: skip
_CAMERA_VERBS = ("run", "setup", "commission", "doctor", "bench")
_HELP = ("-h", "--help")
_OUT_OF_MEMORY = "out of memory; give this process more, or smaller input"
# Libraries say it so: the loader of shared libraries, the kernel, C++, OpenCV.
_NO_MEMORY = ("failed to map segment", "annot allocate memory", "std::bad_alloc", "Insufficient memory")
_LONGEST = 2000  # letters of a library's message
_LONGEST_PATH = 200  # letters of a path that is too long for the system
_FAULTS_OF_PATHS = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENOTDIR, errno.EROFS)


def command_line(words: Sequence[str]) -> typer.Typer:
    """Build the smallest Typer app that parses these words: their first verb alone, else all verbs.

    A station that starts does not wait for the options of eleven other verbs.
    """
    app = typer.Typer(
        name="waste-edge",
        cls=Verbs,
        help="Train waste classifiers on a workstation and run them on an edge board at a bin.\n\n"
        "At a bin: [bold]setup[/], [bold]run[/], [bold]commission[/], [bold]doctor[/], [bold]support[/], "
        "[bold]classify[/], [bold]bench[/], [bold]verify[/], [bold]inspect[/], [bold]evaluate[/], [bold]rehearse[/], "
        "[bold]report[/], [bold]collect[/], [bold]replay[/], [bold]site[/], [bold]model[/], [bold]service[/].\n\n"
        "On a workstation (pip install 'waste-edge\\[host]'): [bold]data[/], [bold]train[/], [bold]distill[/], "
        "[bold]compare[/], [bold]export[/].",
        rich_markup_mode="rich",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": list(_HELP)},
    )
    app.callback()(_options)
    every = (*VERBS, *GROUPS)
    helps = any(word in _HELP for word in words)
    for name in words[:1] if words and words[0] in every else every:
        verb = importlib.import_module(f"waste_edge.cli.{name}")
        if name in GROUPS:
            app.add_typer(verb.app, name=name)
        else:
            app.command(name, epilog=_plugins_of(name) if helps else None)(verb.command)
    return app


def _plugins_of(verb: str) -> str | None:
    """The last line of a verb's help: the plug-ins that are installed for it; nothing of them is imported."""
    from waste_edge.plugins import installed_plugins

    found = {group: installed_plugins(group) for group in _EXTENDED.get(verb, ())}
    said = [f"{group}: {', '.join(map(str, plugins))}" for group, plugins in found.items() if plugins]
    return f"Plug-ins: {'; '.join(said)}." if said else None


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"waste-edge {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the verb."""


BARE = {"--camera": "auto", "--page": ""}  # options of `run` whose value may be left out, and what they mean then


def with_bare_values(arguments: Sequence[str]) -> list[str]:
    """Give a bare `--camera` or `--page` of `run` its value, since Typer has no option with an optional value.

    Before another option, or at the end, it is bare; any other word after it is its value.
    """
    words = list(arguments)
    if words[:1] not in (["run"], ["commission"]):
        return words
    completed: list[str] = []
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else "-"
        completed.append(word)
        if word in BARE and following.startswith("-"):
            completed.append(BARE[word])
    return completed


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb. Exit code 0: well; 2: the user can mend it; 1: our fault or the machine's."""
    occupy_standard_streams()
    words = with_bare_values(sys.argv[1:] if arguments is None else arguments)
    _prepare_process()
    if any("://" in word for word in words):
        from waste_edge.cli.manners import hide_passwords

        hide_passwords(words)
    try:
        _refuse_undecodable(words)
        _refuse_secret_addresses(words)
        try:
            command_line(words)(args=words, prog_name="waste-edge")
        finally:
            sys.stdout.flush()  # so that a full disk shows here, and not at Python's own exit
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except WasteEdgeError as error:
        _tell_json_reader(words, error)
        _complain(str(error), error.exit_code, error)
    except (ReaderGoneError, BrokenPipeError) as error:
        if isinstance(error, BrokenPipeError) and not reader_has_gone():
            _complain_of_us(error)
        _write_no_more()
        raise SystemExit(0) from None  # `| head` has seen enough: nothing is wrong
    except RecursionError as error:
        _complain("the input lies too deep in itself to be read; make it flatter", 2, error)
    except MemoryError as error:
        _complain(_OUT_OF_MEMORY, 1, error)
    except OSError as error:
        from waste_edge.files.atomic import is_full

        if not is_full(error):
            _complain_of_path(error)
            _complain_of_us(error)
        _write_no_more()
        _complain(f"no space left to write to ({error.strerror}); free some", 2, error)
    except Exception as error:  # noqa: BLE001  # the last line of defence: no traceback reaches a user
        if any(words in str(error) for words in _NO_MEMORY):
            _complain(_OUT_OF_MEMORY, 1, error)
        _complain_of_us(error)


def _tell_json_reader(words: Sequence[str], error: WasteEdgeError) -> None:
    """Print `{"error": ...}` where one JSON document was asked for: whoever reads it learns why there is no result."""
    if words[:1] and words[0] in _ONE_DOCUMENT and "--json" in words:
        from waste_edge.files.strict import to_json
        from waste_edge.files.text import visible_json

        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(visible_json(to_json({"error": str(error)})))
            sys.stdout.flush()


def _prepare_process() -> None:
    """Output that never fails for a character, and temporary folders that go when systemd or a shell ends us."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                signal.signal(number, lambda received, _frame: sys.exit(128 + received))


def _write_no_more() -> None:
    """Send what is still in stdout's buffer nowhere: Python would try it once more at its exit, and fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse_undecodable(words: Sequence[str]) -> None:
    """A name that is not UTF-8 would fail, or crash, inside a library that expects text.

    `classify` and `run` read pictures, which no such library opens.
    """
    for word in words if words[:1] not in (["classify"], ["run"]) else ():
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise UserError(f"{os.fsencode(word)!r}: not a UTF-8 name; rename the file or folder") from error


def _refuse_secret_addresses(words: Sequence[str]) -> None:
    """A camera's address where a file is expected would be shown, with its password, as a file that is missing."""
    if words[:1] and words[0] not in _CAMERA_VERBS and any("://" in word for word in words):
        from waste_edge.device.cameras.address import is_address, without_password

        for before, word in itertools.pairwise(words):
            if before != "--text" and is_address(word) and (shown := without_password(word)) != word:
                raise UserError(
                    f"{shown}: the address of a camera, where a file is expected; see waste-edge run --source"
                )


def _complain_of_path(error: OSError) -> None:
    """Say it in one line if it is of a path that the user gave, or of who may use it; else return.

    Most readers tell more; this is for those that look at a path before they open it.
    """
    if error.errno in _FAULTS_OF_PATHS and isinstance(error.filename, str | bytes | os.PathLike):
        path = os.fsdecode(error.filename)
        shown = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"
        _complain(f"{shown}: cannot be used ({error.strerror}); check the path and its permissions", 2, error)


def _complain_of_us(error: Exception) -> None:
    message = f"{type(error).__name__}: {error}"[:_LONGEST]
    _complain(f"internal error, please report it: {message} (WASTE_EDGE_DEBUG=1 shows where)", 1, error)


def _complain(message: str, exit_code: int, error: Exception) -> None:
    if os.environ.get("WASTE_EDGE_DEBUG"):
        raise error
    print(f"waste-edge: {visible(message.replace(chr(10), ' '))}", file=sys.stderr)
    raise SystemExit(exit_code)
