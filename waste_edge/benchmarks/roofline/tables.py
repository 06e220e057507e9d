"""A roofline for people: what was reached, which layers wait for memory, and what known boards could do at best."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from waste_edge.benchmarks.roofline.model import Floor, Roof, Roofline

Cells = list[list[str]]
Name = Callable[[str], str]  # from a row's key to what people call it

COMPUTED = "computed from published figures, measured by nobody"


def roofs_table(roofline: Roofline, name: Name) -> tuple[list[str], Cells]:
    """Tabulate this machine's measured peaks, and how near each network came."""
    headings = ["of what this machine can do", "million MACs", "MB moved", "peak GMAC/s", "memory GB/s"]
    headings += ["at best ms", "p50 ms", "of the peak", "of the roof", "wait for memory"]
    return headings, [_roof_line(roof, name) for roof in roofline.roofs if not roof.skipped]


def _roof_line(roof: Roof, name: Name) -> list[str]:
    waiting = sum(layer.bound == "memory" for layer in roof.layers)
    return [
        name(roof.key),
        f"{roof.macs / 1e6:.1f}",
        f"{roof.moved_bytes / 1e6:.2f}",
        f"{roof.peak_gmacs_per_s:.1f}",
        f"{roof.memory_gb_per_s:.1f}",
        f"{roof.least_ms:.3f}",
        f"{roof.measured_ms:.3f}",
        f"{roof.peak_share:.0%}",
        f"{roof.roof_share:.0%}",
        f"{waiting} of {len(roof.layers)} layers",
    ]


def layers_table(roofline: Roofline, name: Name) -> tuple[list[str], Cells]:
    """Layer by layer, of the fastest network."""
    roofs = [roof for roof in roofline.roofs if not roof.skipped]
    if not roofs:
        return ["layer"], []
    fastest = min(roofs, key=lambda roof: roof.measured_ms)
    headings = [f"layers of {name(fastest.key)}", "operator", "million MACs", "kB moved", "MACs a byte"]
    headings += ["at best µs", "bound by"]
    return headings, [
        [
            layer.place,
            layer.kind,
            f"{layer.macs / 1e6:.3f}",
            f"{layer.moved_bytes / 1e3:.1f}",
            f"{layer.macs / max(1, layer.moved_bytes):.1f}",
            f"{layer.least_ms * 1e3:.1f}",
            layer.bound,
        ]
        for layer in fastest.layers
    ]


def floors_table(roofline: Roofline) -> tuple[list[str], Cells]:
    """Known boards: one line a board, precision and instruction, one core and all of them side by side."""
    headings = [f"floors, {COMPUTED}", "network", "instruction", "1 core ms", "all cores ms", "all from memory ms"]
    groups: dict[tuple[str, str, str, str], list[Floor]] = {}
    for floor in roofline.floors:
        groups.setdefault((floor.key.partition("/")[0], floor.title, floor.precision, floor.instruction), []).append(
            floor
        )
    several = len({subject for subject, *_ in groups}) > 1
    return headings, [
        [title, f"{subject} {precision}" if several else precision, instruction, *_times(floors)]
        for (subject, title, precision, instruction), floors in groups.items()
    ]


def _times(floors: Sequence[Floor]) -> list[str]:
    one, most = min(floors, key=lambda floor: floor.threads), max(floors, key=lambda floor: floor.threads)
    return [f"{one.compute_ms:.2f}", f"{most.compute_ms:.2f}", f"{one.uncached_ms:.2f} / {most.uncached_ms:.2f}"]


def sentences(roofline: Roofline, name: Name) -> list[str]:
    """Give the sentences that complete the tables."""
    said = [f"{name(roof.key)}: no roof: {roof.skipped}" for roof in roofline.roofs if roof.skipped]
    said += [
        f"{name(roof.key)}: not counted, since the file says too little: {', '.join(roof.uncounted)}"
        for roof in roofline.roofs
        if roof.uncounted
    ]
    if roofline.floors:
        said.append(f"the boards' floors are {COMPUTED}: no network of this cost can be faster there")
    return said
