"""A bin as the world has it: what lies there depends on the machine's monotonic clock, and on nobody who looks.

Items come from above, rest, and go, one every CYCLE_S. Needs numpy and nothing else: the fake camera films it.
"""

import numpy as np

WIDTH, HEIGHT, FPS = 640, 480, 15
# Seconds within a cycle: empty, coming, at rest, going.
COMES_S, RESTS_S, GOES_S, CYCLE_S = 0.6, 0.8, 2.4, 2.6
COLOURS = {"blue": (10, 10, 250), "green": (10, 250, 10), "red": (250, 10, 10)}  # the tiny bundle's labels
ITEM_WIDTH, ITEM_HEIGHT, TOP = 200, 440, 20
LEFTS = (10, 220, 430)  # places that do not overlap
LOOKS = len(COLOURS) * len(LEFTS)  # so many items pass before one looks like another

_tray = np.repeat(np.linspace(100, 150, WIDTH)[None, :, None], HEIGHT, axis=0).repeat(3, axis=2).astype(np.uint8)
_noise = np.random.default_rng(5).integers(0, 5, (HEIGHT + 32, WIDTH + 32, 3), dtype=np.uint8)


def number_at(time_ns):
    """Which item's cycle it is."""
    return int(time_ns / 1e9 // CYCLE_S)


def begins_ns(number):
    """When an item's cycle begins, by the monotonic clock."""
    return round(number * CYCLE_S * 1e9)


def label_of(number):
    return list(COLOURS)[number % len(COLOURS)]


def picture(time_ns, items=True):
    """What a camera sees: uint8 (HEIGHT, WIDTH, 3)."""
    seen = _tray.copy()
    number = number_at(time_ns)
    top = _top((time_ns - begins_ns(number)) / 1e9)
    if items and top is not None:
        left = LEFTS[number // len(COLOURS) % len(LEFTS)]
        seen[max(0, top) : max(0, top + ITEM_HEIGHT), left : left + ITEM_WIDTH] = COLOURS[label_of(number)]
    shake = int(time_ns // 1_000_000)
    down, right = shake % 32, shake // 32 % 32
    seen += _noise[down : down + HEIGHT, right : right + WIDTH]
    return seen


def _top(since_s):
    """Where the item's upper edge is; None while there is no item."""
    if since_s < COMES_S:
        return None
    if since_s < RESTS_S:
        return round(TOP - ITEM_HEIGHT * (RESTS_S - since_s) / (RESTS_S - COMES_S))
    if since_s < GOES_S:
        return TOP
    return round(TOP - ITEM_HEIGHT * (since_s - GOES_S) / (CYCLE_S - GOES_S))
