"""Share of candidate models that are promoted: 5 points better, equal, and worse, by how often the two differ.

    python -m tools.model_promotion [--runs 4000] [--seed 1]

A comparison is judged after each answered item, as a station does (`waste_edge/device/models/promotion.py`).
Discordance is the share of answered items that exactly one of the two models is right about.
"""

from __future__ import annotations

import argparse

import numpy as np

from waste_edge.device.models.promotion import simulated_promotions

DISCORDANCES = (0.05, 0.06, 0.08, 0.10, 0.15, 0.20)
BETTER = 0.05  # of what is answered
LONG, SHORT = 1000, 300  # answered items


def shares(difference: float, answers: int, runs: int, seed: int) -> list[float]:
    """The share of comparisons that promote, for each of DISCORDANCES, where the candidate is better by so much."""
    found = []
    for discordance in DISCORDANCES:
        wins, losses = (discordance + difference) / 2, (discordance - difference) / 2
        found.append(float(np.mean(simulated_promotions(wins, losses, answers, runs, seed) > 0)))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4_000, help="comparisons for each figure")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    given = parser.parse_args()
    print("| candidate | answered items | " + " | ".join(f"{d:.0%}" for d in DISCORDANCES) + " |")
    print("|---|---|" + "---|" * len(DISCORDANCES))
    for title, difference, answers in (
        ("5 points better", BETTER, SHORT),
        ("5 points better", BETTER, LONG),
        ("equal (A/A)", 0.0, LONG),
        ("2 points worse", -0.02, LONG),
        ("5 points worse", -BETTER, LONG),
    ):
        row = shares(difference, answers, given.runs, given.seed)
        print(f"| {title} | {answers} | " + " | ".join(f"{share:.1%}" for share in row) + " |")


if __name__ == "__main__":
    main()
