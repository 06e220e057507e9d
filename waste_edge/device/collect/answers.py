"""People's answers, as labels of collected crops; apart from the collector, which also runs where nobody answers."""

from __future__ import annotations

from waste_edge.device.answers.question import ReviewedItem, ReviewListener
from waste_edge.device.answers.review import ReviewQueue
from waste_edge.device.collect.collector import Collector, Said


class CropLabels(ReviewListener):
    """Hands every answer of a person to a collector."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def answered(self, item: ReviewedItem) -> None:
        """See `ReviewListener.answered`."""
        said = _said(item)
        if said is not None:
            self._collector.note(said)


def follow(collector: Collector, reviews: ReviewQueue) -> None:
    """Label crops by the answers from now on, and by those that were committed just before the station was killed."""
    collector.note(*filter(None, map(_said, reversed(reviews.items()))))
    reviews.listen(CropLabels(collector))


def _said(item: ReviewedItem) -> Said | None:
    """The answer of a person to an item; None if nobody did."""
    if item.answer is None or not item.answered_by_person:
        return None
    fields = item.answer.event
    return Said(item.id, fields["label"], str(fields["stream"]), bool(fields["corrects"]))
