"""Every error this project raises on purpose.

    WasteEdgeError                 exit code 1: our fault, or the machine's
    ├── EngineError                (RuntimeError) an inference engine failed
    └── UserError                  exit code 2: something the user can mend
        ├── BundleError            (ValueError)   a bundle that is damaged or not one
        ├── CameraError            (OSError)      no camera, or a source that gives no frames
        ├── ConfigError            (ValueError)   a TOML or JSON file with a wrong key or value
        ├── DataError              (ValueError)   a folder of photographs that cannot be used
        ├── GraphError             (ValueError)   a network that its target cannot run as it should
        ├── GateError              (ValueError)   a quantized network that answers too much worse than FP32
        ├── MissingPackageError    (ImportError)  an optional package is not installed
        ├── PictureError           (ValueError)   a file that is not a readable picture
        └── RunError               (ValueError)   a training run that is damaged or not one

Each message is one line that names the file or key, what was expected and found, and the remedy.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

# Left out of the extra `export` there (pyproject.toml); `make test-long` says when a wheel has come out.
_NOT_ON_ARM64 = ("litert_torch", "litert_converter")


class WasteEdgeError(Exception):
    """Root of all errors raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class EngineError(WasteEdgeError, RuntimeError):
    """An inference engine could not load or run a model."""


class UserError(WasteEdgeError):
    """Error of the user, whose message says how to mend it."""

    exit_code = 2


class BundleError(UserError, ValueError):
    """A bundle is damaged, incomplete, or not a bundle."""


class CameraError(UserError, OSError):
    """Camera that does not answer, or source without frames."""


class ConfigError(UserError, ValueError):
    """A TOML or JSON file holds a wrong key, type or value."""


class DataError(UserError, ValueError):
    """A folder of photographs cannot be used as it is."""


class GraphError(UserError, ValueError):
    """A network's graph holds what its target lacks, or what our rules forbid."""


class GateError(UserError, ValueError):
    """A quantized network answers too much worse than its FP32 original."""


class MissingPackageError(UserError, ImportError):
    """A verb needs an optional package that is not installed."""


class PictureError(UserError, ValueError):
    """A file is not a picture that can be read."""


class RunError(UserError, ValueError):
    """A training run is damaged, incomplete, or not a run."""


@contextlib.contextmanager
def extra_required(extra: str) -> Iterator[None]:
    """Name the extra to install when an import inside the block finds a package missing.

    Raises:
        MissingPackageError: in place of ModuleNotFoundError, unless the missing module is our own.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("waste_edge"):
            raise
        if os.uname().machine == "aarch64" and error.name in _NOT_ON_ARM64:
            raise MissingPackageError(
                f"{error.name.replace('_', '-')} has no wheel for Linux on arm64; take the run folder to an x86-64 "
                "machine or a Mac, and export it there"
            ) from error
        raise MissingPackageError(
            f"{error.name} is not installed: this belongs on a workstation; pip install 'waste-edge[{extra}]'"
        ) from error
