"""Exporters chatter on stdout, stderr and the root logger; none of it is for the user."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from waste_edge.errors import WasteEdgeError
from waste_edge.files.atomic import is_full


@contextlib.contextmanager
def quiet(step: str) -> Iterator[None]:
    """Silence a step, down to what C++ writes to the file descriptors; if it fails, say which step it was.

    Raises:
        WasteEdgeError: the step failed, with the library's own last line.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with tempfile.TemporaryFile() as sink:
        try:
            os.dup2(sink.fileno(), 1)
            os.dup2(sink.fileno(), 2)
            held = io.StringIO()
            with warnings.catch_warnings(), contextlib.redirect_stdout(held), contextlib.redirect_stderr(held):
                warnings.simplefilter("ignore")
                yield
        except (WasteEdgeError, ImportError):
            raise  # these say what is wrong better than we could
        except Exception as error:
            if is_full(error):
                raise  # not the step's fault; whoever called knows where there may be more space
            last = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise WasteEdgeError(f"{step} failed: {last}") from error
        finally:
            logging.disable(disabled)
            for descriptor, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, descriptor)
                os.close(copy)
