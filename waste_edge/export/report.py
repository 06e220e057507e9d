"""The table at the end of an export, and the same as Markdown beside the bundle.

Beside it and not in it: latencies are of this machine and this hour, the bundle is the same whenever it is made.
"""

from __future__ import annotations

from pathlib import Path

from waste_edge.export.build import Exported
from waste_edge.export.model_card import agreement
from waste_edge.files.atomic import write_atomically
from waste_edge.metrics.classification import Comparison

HEADINGS = (
    "artifact", "bytes", "ops", "accuracy (95 %)", "points against FP32", "same label as torch", "ms, one thread",
)  # fmt: skip


def rows(exported: Exported) -> list[tuple[str, ...]]:
    """One row an artifact, under `HEADINGS`."""
    manifest = exported.manifest
    found: list[tuple[str, ...]] = []
    for name, one in manifest.metrics.artifacts.items():
        scores, comparison = one.scores, manifest.metrics.quantization.get(name)
        found.append(
            (
                name,
                f"{exported.size_bytes[name]:,}",
                str(sum(exported.operators[name].values())),
                f"{scores.accuracy:.1%} ({scores.accuracy_low:.1%} to {scores.accuracy_high:.1%})",
                _against(comparison) if comparison else "",
                agreement(one),
                f"{exported.latency_ms[name]:.2f}",
            )
        )
    return found


def _against(comparison: Comparison) -> str:
    low, high = -comparison.drop_high_points, -comparison.drop_low_points
    return f"{-comparison.drop_points:+.1f} ({low:+.1f} to {high:+.1f})"


def write_report(exported: Exported, out: Path) -> Path:
    """Write `OUT.export.md` beside the bundle; raises UserError if it cannot be written."""
    manifest = exported.manifest
    path = out.with_name(f"{out.name}.export.md")
    lines = [f"# Export of {manifest.name} {manifest.version}", "", f"Recipe {exported.reason}.", ""]
    lines += [f"| {' | '.join(row)} |" for row in (HEADINGS, ("---",) * len(HEADINGS), *rows(exported))]
    lines += [
        "",
        f"Measured on {manifest.metrics.protocol}. {manifest.metrics.reference_in_words()}",
        "Milliseconds: median, this machine, preprocessing left out.",
        "",
        "## Operators",
        "",
    ]
    for artifact, counts in exported.operators.items():
        lines.append(f"- {artifact}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
    for name, one in manifest.metrics.quantization.items():
        changes = ", ".join(f"{label} {points:+.1f}" for label, points in one.recall_change_points.items())
        lines += ["", f"## {name} against FP32", "", f"Recall, points: {changes}.", ""]
        lines += [
            f"- `{each.picture}`, truly {each.truth}: {each.reference} ({each.reference_probability:.0%}) in FP32, "
            f"{each.answer} ({each.answer_probability:.0%}) in INT8"
            for each in one.worst
        ]
    write_atomically(path, "\n".join(lines) + "\n")
    return path
