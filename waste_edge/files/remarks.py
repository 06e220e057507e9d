"""Remarks for the user: one line on stderr, once, through Python's logging (logger `waste_edge`)."""

from __future__ import annotations

import functools
import os

from waste_edge.files.text import visible


@functools.cache
def remark(text: str) -> None:
    """Say it; of several processes that train together the first alone does."""
    if os.environ.get("RANK", "0") != "0":
        return
    import logging  # here: a station that has nothing to say needs none of it

    logging.getLogger("waste_edge").warning("waste-edge: %s", visible(text))
