"""From the labels of the data to the labels to learn: some dropped, some merged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import msgspec

from waste_edge.errors import DataError
from waste_edge.files.strict import Strict


class LabelMap(Strict, frozen=True):
    """A recipe's `[labels]`: which labels of the data are left out, and which are learnt as one.

    Attributes:
        drop: labels of the data whose pictures are left out.
        merge: new label -> the labels of the data that it stands for; one alone is renamed.
    """

    drop: list[str] = msgspec.field(default_factory=list)
    merge: dict[str, list[str]] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = Counter([*self.drop, *(label for labels in self.merge.values() for label in labels)])
        if twice := sorted(label for label, count in counts.items() if count > 1):
            raise ValueError(
                f"{', '.join(twice)}: named twice in labels.drop and labels.merge; a label of the data has one place"
            )
        for new, labels in self.merge.items():
            if not labels:
                raise ValueError(f"labels.merge.{new} is empty; expected the labels of the data that become {new}")

    def targets(self, present: Collection[str], source: object, complete: bool = True) -> dict[str, str]:
        """Map each label of the data to its target label; dropped ones are missing.

        Args:
            present: the labels that the data have.
            source: the data, for the message.
            complete: the data must have every label that the map names. Not so where a finished model meets
                other data: its map was checked in training, and these may hold some of the labels.

        Raises:
            DataError: the map names a label that the data lack.
        """
        named = {"labels.drop": self.drop} | {f"labels.merge.{new}": old for new, old in self.merge.items()}
        for key, labels in named.items():
            if complete and (missing := sorted(set(labels) - set(present))):
                raise DataError(
                    f"{source}: {key} names {', '.join(missing)}, which the data lack; they have "
                    f"{', '.join(sorted(present))}"
                )
        renamed = {old: new for new, labels in self.merge.items() for old in labels}
        return {label: renamed.get(label, label) for label in present if label not in self.drop}


EVERY_LABEL = LabelMap()
