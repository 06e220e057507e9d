"""The table `[models]` of a station's configuration."""

from __future__ import annotations

from typing import Literal

from waste_edge.files.limits import MAX_MODEL_MB, MAX_PROBATION_ITEMS, MAX_SHADOW_ANSWERS
from waste_edge.files.strict import Strict

JudgedBy = Literal["answered", "audited"]


class ModelsConfig(Strict, frozen=True):
    """The table `[models]`: how a station takes up another model.

    Attributes:
        watch_folder: a folder in which bundles are looked for, a mounted USB stick for example; None: none is.
        shadow: a new model is shown the same items beside the one in charge first, until people's answers tell which is
            better; if false it is put in charge at once.
        judge_by: the answers that a candidate is judged by: to every question, `answered`; or to audited items alone,
            which are drawn at random whatever the model in charge was sure of.
        most_answers: a candidate that is not better by then is withdrawn.
        probation_items: as many items is a new model in charge watched for; 0: not at all.
        max_mb: largest bundle that is installed, in millions of bytes.
    """

    watch_folder: str | None = None
    shadow: bool = True
    judge_by: JudgedBy = "answered"
    most_answers: int = 1000
    probation_items: int = 200
    max_mb: float = 256.0

    def __post_init__(self) -> None:
        if self.watch_folder == "":
            raise ValueError("watch_folder is empty; name a folder, or leave the key out")
        if not 20 <= self.most_answers <= MAX_SHADOW_ANSWERS:
            raise ValueError(f"most_answers must be 20 to {MAX_SHADOW_ANSWERS}, got {self.most_answers}")
        if not 0 <= self.probation_items <= MAX_PROBATION_ITEMS:
            raise ValueError(f"probation_items must be 0 to {MAX_PROBATION_ITEMS}, got {self.probation_items}")
        if not 0 < self.max_mb <= MAX_MODEL_MB:
            raise ValueError(f"max_mb must be above 0, up to {MAX_MODEL_MB}; got {self.max_mb:g}")
