"""One thread a library: a station has one engine thread and small pictures, and nothing to gain from more."""

from __future__ import annotations

from waste_edge.libraries import ONE_THREAD as ONE_THREAD
