"""Pictures of a training, for people who would rather look than read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from waste_edge.files import write_atomically


def plot_curves(path: Path, title: str, losses: Sequence[float], accuracies: Sequence[float | None]) -> None:
    """Training loss and validation accuracy by epoch, as a PNG."""
    epochs = range(1, len(losses) + 1)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, losses, marker="o", markersize=3, color="#b5542d")
    left.set(title="training loss", xlabel="epoch", ylim=(0, None))
    seen = [(epoch, value * 100) for epoch, value in zip(epochs, accuracies, strict=True) if value is not None]
    right.plot([epoch for epoch, _ in seen], [value for _, value in seen], marker="o", markersize=3, color="#2d6a4f")
    right.set(title="validation accuracy, %", xlabel="epoch")
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title, fontsize=11)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())
