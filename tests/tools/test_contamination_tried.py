"""The tool that shows what was tried for the contamination's interval."""

from __future__ import annotations

from tools.contamination_coverage import CELLS, measure, pooled, table
from tools.contamination_tried import TRIED, errors_of_estimates, errors_table


def test_every_method_gives_intervals_and_a_row() -> None:
    tallies = measure(CELLS[3:40:12], stations=2, seed=1, methods=TRIED)
    assert set(tallies) == set(TRIED)
    for own in tallies.values():
        assert pooled(own.values()).coverage > 0.8
    assert len(table(tallies).splitlines()) == 2 + len(TRIED)


def test_the_chosen_estimate_is_better_than_opinion_and_answers_alone() -> None:
    found = errors_of_estimates(CELLS[::9], stations=4, seed=2)
    ours = next(name for name in found if name.endswith("(ours)"))
    mean = {name: sum(map(sum, groups)) / sum(map(len, groups)) for name, groups in found.items()}
    assert mean[ours] < min(mean["the model's opinion"], mean["the answers' mean"])
    assert len(errors_table(found).splitlines()) == 2 + len(found)
