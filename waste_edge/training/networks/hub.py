"""Encoders of transformers by their name on the hub, or from a local folder; never their code, never a pickle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import snapshot_download
from transformers.utils import logging

from waste_edge.errors import ConfigError, UserError
from waste_edge.files.text import first_line

CONFIGURATION = ("config.json",)
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_PATIENCE_S = 5.0  # of one question to the hub


def encoder_folder(key: str, encoder: str, patterns: Sequence[str]) -> Path:
    """The folder that holds an encoder's files, downloaded if it is a name on the hub.

    Args:
        key: the recipe's key, for messages.
        encoder: a local folder, or a name on the hub.
        patterns: the files that are needed.

    Raises:
        ConfigError: the folder has no config.json, or nothing is called so.
        UserError: the files cannot be downloaded.
    """
    folder = Path(encoder)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(encoder, allow_patterns=list(patterns), etag_timeout=_PATIENCE_S))
        except ValueError as error:  # no name that the hub could have
            raise ConfigError(f"{key}: {encoder!r} is neither a folder nor a name on the hub") from error
        except OSError as error:  # all errors of the network are
            raise UserError(
                f"{key}: {encoder!r} is no local folder and cannot be downloaded ({type(error).__name__}: "
                f"{first_line(error)}); give a folder that holds it"
            ) from error
    if not (folder / "config.json").is_file():
        raise ConfigError(f"{key}: {encoder} holds no config.json; give the folder of a transformers model")
    return folder


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers from drawing bars and listing the weights it leaves aside; a missing one is our error."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
