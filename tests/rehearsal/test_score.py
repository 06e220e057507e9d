"""Events against visits: missed, doubled, extra, and what each verdict costs."""

from __future__ import annotations

from msgspec.structs import replace

from waste_edge.device.clock import NS_PER_S
from waste_edge.device.decision.item_tracker import Event
from waste_edge.device.decision.policy import Decision, DecisionPolicy
from waste_edge.imaging.preprocess import Region
from waste_edge.rehearsal.film import Visit
from waste_edge.rehearsal.play import PlayedEvent
from waste_edge.rehearsal.rehearse import RehearsedStation
from waste_edge.rehearsal.report import Material, report_of
from waste_edge.rehearsal.score import Outcome, Scorer
from waste_edge.site import Site

MATERIAL = Material(known="", unknown="", grounds="", seed=1, films=2, frames=9, seconds=1.0)
BOX = Region(left=0.2, top=0.2, right=0.6, bottom=0.6)


def event(time_s: float, stream: str, label: str, action: str = "sort") -> PlayedEvent:
    decision = Decision(stream, label, 0.9, "because", action)  # type: ignore[arg-type]
    at = round(time_s * NS_PER_S)
    return PlayedEvent(Event(f"{at:032x}", at, at, decision, 3, item_box=BOX), b"")


def scored(
    station: RehearsedStation, visits: list[Visit], events: list[PlayedEvent], site: Site | None = None
) -> list[Outcome]:
    policy = DecisionPolicy(station.classifier.manifest, site or station.site)
    return Scorer(policy, station.classifier.manifest.tree).outcomes("film", visits, events)


def visit(label: str, start_s: float, end_s: float, box: Region | None = None) -> Visit:
    return Visit(label, label, label, start_s, end_s, box)


def test_each_visit_takes_its_own_event(station: RehearsedStation) -> None:
    visits = [visit("red", 1, 3), visit("blue", 4, 6)]
    outcomes = scored(station, visits, [event(2.5, "red", "red"), event(5.5, "green", "green")])
    assert [one.status for one in outcomes] == ["decided", "decided"]
    assert [one.label_right for one in outcomes] == [True, False]
    assert [one.sorted_wrong for one in outcomes] == [False, True]
    assert [one.cost for one in outcomes] == [0.0, 1.0]


def test_missed_doubled_and_extra(station: RehearsedStation) -> None:
    visits = [visit("red", 1, 3), visit("blue", 5, 7)]
    outcomes = scored(station, visits, [event(2.0, "red", "red"), event(2.9, "red", "red"), event(4.5, "red", "red")])
    assert [one.status for one in outcomes] == ["decided", "doubled", "missed", "extra"]
    assert outcomes[2].verdict is None


def test_an_event_just_after_an_item_has_gone_is_its_own_unless_the_next_one_has_come(
    station: RehearsedStation,
) -> None:
    late = scored(station, [visit("red", 1, 3)], [event(3.3, "red", "red")])
    assert [one.status for one in late] == ["decided"]
    next_one = scored(station, [visit("red", 1, 3), visit("blue", 3.2, 5)], [event(3.3, "blue", "blue")])
    assert [one.status for one in next_one] == ["missed", "decided"]


def test_what_is_kept_out_is_neither_right_nor_sorted_wrong(station: RehearsedStation) -> None:
    (known,) = scored(station, [visit("red", 1, 3)], [event(2, "residual", "unknown", "residual")])
    assert (known.kept_out, known.label_right, known.stream_right, known.sorted_wrong) == (True, False, False, False)
    (unknown,) = scored(station, [visit("unknown", 1, 3)], [event(2, "residual", "unknown", "residual")])
    assert (unknown.kept_out, unknown.label_right, unknown.sorted_wrong, unknown.cost) == (True, True, False, 0.0)
    (taken,) = scored(station, [visit("unknown", 1, 3)], [event(2, "red", "red")])
    assert (taken.kept_out, taken.sorted_wrong, taken.cost) == (False, True, 1.0)


def test_asking_costs_what_the_site_says_and_a_common_stream_forgives_the_label(station: RehearsedStation) -> None:
    site = Site(name="s", residual="rest", streams={"red": "warm", "green": "cold", "blue": "cold"}, ask=0.2)
    asked, common = scored(
        station,
        [visit("red", 1, 3), visit("blue", 4, 6)],
        [event(2, "ask", "red", "ask"), event(5, "cold", "green")],
        site,
    )
    assert (asked.cost, asked.kept_out, asked.label_right) == (0.2, True, True)
    assert (common.label_right, common.stream_right, common.cost) == (False, True, 0.0)


def test_the_box_is_compared_where_the_true_one_is_known(station: RehearsedStation) -> None:
    exact, unknown = scored(
        station, [visit("red", 1, 3, BOX), visit("blue", 4, 6)], [event(2, "red", "red"), event(5, "blue", "blue")]
    )
    assert exact.box_overlap == 1.0
    assert unknown.box_overlap is None


def test_boxes_that_miss_the_item_are_a_figure_of_the_report_by_film(station: RehearsedStation) -> None:
    elsewhere = Region(left=0.5, top=0.5, right=0.9, bottom=0.9)
    good = scored(
        station, [visit("red", 1, 3, BOX), visit("red", 4, 6, BOX)], [event(2, "red", "red"), event(5, "a", "red")]
    )
    bad = [
        replace(one, film="cork") for one in scored(station, [visit("red", 1, 3, elsewhere)], [event(2, "red", "red")])
    ]
    report = report_of(station.in_words, MATERIAL, [*good, *bad])
    whole = report.box_overlap
    assert whole is not None
    assert (whole.film, whole.items, whole.median, whole.below_half) == ("", 3, 1.0, 0.3333)
    assert whole.tenth < 1
    assert [(one.film, one.items, one.below_half) for one in report.box_overlap_by_film] == [
        ("cork", 1, 1.0),
        ("film", 2, 0.0),
    ]
    unknown = scored(station, [visit("red", 1, 3)], [event(2, "red", "red")])
    assert report_of(station.in_words, MATERIAL, unknown).box_overlap is None
