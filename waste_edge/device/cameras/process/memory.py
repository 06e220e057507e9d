"""The shared memory that frames pass through: two slots, each a page for its header and room for a picture."""

from __future__ import annotations

import fcntl
import os

from waste_edge.files.limits import MAX_FRAME_BYTES

SLOT_BYTES = MAX_FRAME_BYTES  # untouched pages of a slot take no memory
PAGE_BYTES = 4096  # the header has a page of its own, so that the picture begins on one
STRIDE_BYTES = PAGE_BYTES + SLOT_BYTES


def create_memory() -> int:
    """A file descriptor of new shared memory, without a name; nobody who holds it can cut it short."""
    memory = os.memfd_create("waste-edge-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, 2 * STRIDE_BYTES)
    # Reading beyond a file that was truncated ends a process with SIGBUS.
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return memory
