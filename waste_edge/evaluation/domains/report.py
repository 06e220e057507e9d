"""Values of the report by source: the JSON is these, tables and page are made from them alone."""

from __future__ import annotations

from typing import Literal

import msgspec

from waste_edge.files.strict import Strict
from waste_edge.metrics.significance import Interval

SCHEMA: Literal[1] = 1
HOME = "home"  # the model's own data


class Known(Strict, frozen=True):
    """One model on the known items of one source.

    Attributes:
        source: as the domains file calls it; `home` for the model's own data.
        pictures, groups: how many were scored, and in how many groups these fall.
        taught: the source taught the model too; what is scored are groups held out of that. Not in mean and worst.
        accuracy: share of right labels.
        ece: expected calibration error, 15 equal bins, at a bundle's temperature.
        kept_out: share that a bundle's thresholds call unknown; None for a run.
        wrong: share of what is left that is named wrongly; None for a run, or if nothing is left.
    """

    source: str
    pictures: int
    groups: int
    taught: bool
    accuracy: Interval
    ece: float
    kept_out: float | None
    wrong: float | None


class Strange(Strict, frozen=True):
    """One model on one kind of unknown thing: the chance that a known picture has the higher known score.

    Attributes:
        taught: the model was taught with other pictures of this kind's source.
        dangerous: harm is done if it lands in any stream, whatever the model says.
        home: against the model's own held-back pictures; None if there are none.
        web: against the known of the sources whose names begin with `web`; None if there are none.
        elsewhere: against the known of all other sources, the sources' mean; None if there are none.
        by_source: against each source alone.
        kept_out: share that a bundle's thresholds call unknown; None for a run.
    """

    kind: str
    sources: list[str]
    pictures: int
    taught: bool
    dangerous: bool
    home: Interval | None
    web: Interval | None
    elsewhere: Interval | None
    by_source: dict[str, float]
    kept_out: float | None

    @property
    def worst(self) -> float:
        """The least of the three."""
        return min(one.value for one in (self.home, self.web, self.elsewhere) if one is not None)


class ModelDomains(Strict, frozen=True):
    """One model on every source.

    Attributes:
        score: by what it tells the unknown: a bundle's own known score, a run's largest probability; in words.
        home: on its own held-back pictures; None where --data held none.
        sources: the least accurate first.
        mean: accuracy, the mean over sources that did not teach it; None if all did.
        mean_ece: mean over the same.
        worst: the source with the lowest accuracy among these.
        unknown: the worst told kind first.
        mean_unknown: mean over kinds that did not teach, against home, web and elsewhere.
    """

    name: str
    role: str
    engine: str
    score: str
    home: Known | None
    sources: list[Known]
    mean: Interval | None
    mean_ece: float | None
    worst: str
    unknown: list[Strange]
    mean_unknown: dict[str, float]


class PairDomains(Strict, frozen=True):
    """Two models on the same pictures: mean over sources of the first less the second, in points."""

    first: str
    second: str
    points: Interval


class DomainsReport(Strict, frozen=True):
    """Models on the same sources; all intervals are of 95 %, groups drawn anew within every source.

    Attributes:
        domains: the file's name.
        protocol: which pictures are home, in words.
        copies: near-copies between what taught the models and these sources, if the check was told to go on.
    """

    schema: Literal[1]
    created: str
    waste_edge: str
    data: str
    domains: str
    protocol: str
    models: list[ModelDomains]
    pairs: list[PairDomains] = msgspec.field(default_factory=list)
    copies: list[str] = msgspec.field(default_factory=list)
