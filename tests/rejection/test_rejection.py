from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score, roc_curve

from waste_edge.bundle.arrays import as_packed, packed
from waste_edge.evaluation.unknowns import ScoreSets, judge_scores, threshold_keeping
from waste_edge.rejection import (
    KNOWN_SCORES,
    Direction,
    KnownScore,
    Learnt,
    Prototypes,
    Scorer,
    cosine,
    energy,
    fit_feature_space,
    fit_neighbours,
    fit_plane,
    fit_prototypes,
    known_scores,
    linear,
    mahalanobis,
    max_logit,
    max_probability,
    narrowed,
    nearest,
)


def clusters(seed: int, per_class: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, features and labels of three clusters in eight dimensions, one of which varies a lot for nothing."""
    generator = np.random.default_rng(seed)
    truth = np.repeat(np.arange(3), per_class)
    means = 4 * np.eye(3, 8)
    features = means[truth] + generator.normal(0, 1, (len(truth), 8)) * np.array([1, 1, 1, 1, 1, 1, 1, 20])
    return features[:, :3], features, truth


def test_scores_of_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 30, (50, 4))
    assert energy(logits) == pytest.approx(logsumexp(logits, axis=1))
    assert energy(logits, 2.0) == pytest.approx(2 * logsumexp(logits / 2, axis=1))
    assert max_logit(logits).tolist() == logits.max(axis=1).tolist()
    assert max_probability(np.array([[1e3, 0.0], [0.0, 0.0]])).tolist() == [1.0, 0.5]
    assert max_probability(np.array([[2.0, 0.0]]), 2.0)[0] == pytest.approx(1 / (1 + np.exp(-1)))


def test_mahalanobis_is_the_formula() -> None:
    _, features, truth = clusters(0)
    space = fit_feature_space(features, truth, shrinkage=1e-9)
    means = np.stack([features[truth == index].mean(axis=0) for index in range(3)])
    inner = features - means[truth]
    inverse = np.linalg.inv(inner.T @ inner / len(features))
    expected = [-min(np.sqrt((x - m) @ inverse @ (x - m)) for m in means) for x in features]
    assert mahalanobis(features, space) == pytest.approx(np.array(expected), rel=1e-6)


def test_shrinking_saves_the_day_where_features_outnumber_pictures() -> None:
    generator = np.random.default_rng(1)
    truth = np.repeat(np.arange(2), 10)
    features = np.zeros((20, 200))
    features[:, :2] = 6 * np.eye(2)[truth]
    features += generator.normal(0, 1, features.shape)
    space = fit_feature_space(features, truth)
    far = mahalanobis(features + 30, space)
    assert np.isfinite(far).all()
    assert far.max() < mahalanobis(features, space).min()


def test_features_that_never_vary_do_no_harm() -> None:
    features, truth = np.repeat([[0.0, 1.0], [1.0, 0.0]], 5, axis=0), np.repeat([0, 1], 5)
    scores = mahalanobis(np.array([[0.0, 1.0], [5.0, 5.0]]), fit_feature_space(features, truth))
    assert scores[0] == pytest.approx(0)
    assert scores[1] < -5


def test_a_class_without_pictures_is_no_mean() -> None:
    _, features, truth = clusters(2)
    space = fit_feature_space(features, np.where(truth == 1, 2, truth))
    assert len(space.means) == 2


def test_cosine_is_one_towards_a_class_and_falls_away() -> None:
    prototypes = fit_prototypes(np.array([[1.0, 0], [9, 0], [0, 2], [0, 5]]), np.array([0, 0, 4, 4]))
    assert prototypes.units.tolist() == [[1, 0], [0, 1]], "a class without pictures has no direction"
    scores = cosine(np.array([[0.1, 0], [10, -10], [1, 1], [-3, 0], [0, 0]]), prototypes)
    assert scores == pytest.approx([1.0, 0.5**0.5, 0.5**0.5, 0.0, 0.0])


def test_a_class_mean_is_that_of_directions_not_of_lengths() -> None:
    features = np.array([[1.0, 0.0], [0.0, 1000.0]])
    assert fit_prototypes(features, np.array([0, 0])).units[0] == pytest.approx([0.5**0.5, 0.5**0.5])


def test_all_scores_are_higher_for_the_known() -> None:
    logits, features, truth = clusters(3)
    features = features[:, :7]  # without what varies for nothing, which only a covariance sees through
    strange = np.random.default_rng(4).normal(0, 1, (80, 7))
    strange[:, 3:6] += 5
    learnt: dict[KnownScore, Learnt] = {
        "linear": Direction(np.array([1.0, 1, 1, -1, -1, -1, 0]), 0.5),
        "cosine": fit_prototypes(features, truth),
        "mahalanobis": fit_feature_space(features, truth),
        "nearest": fit_neighbours(features, 3, 60),
        "nearest_exposed": fit_neighbours(features, 3, 60, Direction(np.array([1.0, 1, 1, -1, -1, -1, 0]), 0.0)),
        "linear_unit": Direction(np.array([1.0, 1, 1, -1, -1, -1, 0]), 0.5),
        "vim": fit_plane(logits, features, 3),
    }
    known, unknown = known_scores(logits, features, 1.0, learnt), known_scores(strange[:, :3], strange, 1.0, learnt)
    assert tuple(known) == KNOWN_SCORES
    for result in judge_scores(ScoreSets(known, known, unknown), logits.argmax(axis=1) == truth):
        assert result.auroc is not None
        assert result.auroc > 0.8, result.score
    assert tuple(known_scores(logits, features)) == ("max_probability", "max_logit", "energy")


def test_a_direction_is_a_dot_product_and_a_bias() -> None:
    direction = Direction(np.array([2.0, -1.0]), 0.25)
    assert linear(np.array([[1.0, 1.0], [0.0, 3.0]], np.float32), direction).tolist() == [1.25, -2.75]


@pytest.mark.parametrize("name", KNOWN_SCORES)
def test_a_bundles_score_is_the_hosts(name: KnownScore) -> None:
    logits, features, truth = clusters(6)
    learnt: dict[KnownScore, Learnt] = {
        "linear": Direction(np.random.default_rng(7).normal(size=8), -0.5),
        "cosine": fit_prototypes(features, truth),
        "mahalanobis": fit_feature_space(features, truth),
        "nearest": fit_neighbours(features, 4, 20),
        "nearest_exposed": fit_neighbours(features, 4, 20, Direction(np.random.default_rng(8).normal(size=8), 0.0)),
        "linear_unit": Direction(np.random.default_rng(7).normal(size=8), -0.5),
        "vim": fit_plane(logits, features, 4),
    }
    scorer = Scorer(name, 1.7, learnt.get(name))
    expected = known_scores(logits, features, 1.7, learnt)[name]
    assert scorer(logits, features).tolist() == expected.tolist()
    alone = [float(scorer(logits[[index]], features[[index]])[0]) for index in range(len(logits))]
    assert alone == pytest.approx(expected.tolist(), rel=1e-9), "one picture at a time, as a device asks"


def test_enough_directions_make_the_mean_cosine_of_the_five_nearest() -> None:
    _, features, _ = clusters(9)
    points = features / np.linalg.norm(features, axis=1, keepdims=True)
    expected = np.sort(points @ points.T, axis=1)[:, -5:].mean(axis=1)
    assert nearest(features, fit_neighbours(features, 8, len(features))) == pytest.approx(expected)
    few = fit_neighbours(features, 8, 3)
    assert len(few.places) == 3
    assert np.isfinite(nearest(features, few)).all()


def test_unknown_pictures_that_taught_push_their_like_away() -> None:
    known, unknown = np.eye(4)[[0, 0, 1, 1]] + 0.1, np.eye(4)[[2, 2]] + 0.1
    away = Direction(np.array([1.0, 1, -2, 0]), 0.0)
    plain, exposed = fit_neighbours(known, 2, 4), fit_neighbours(known, 2, 4, away)
    assert (nearest(unknown, exposed) < nearest(unknown, plain) - 0.05).all()
    assert (nearest(known, exposed) > nearest(known, plain)).all()


def test_vim_is_the_energy_less_the_distance_from_the_plane() -> None:
    features = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    logits = np.full((4, 2), 2.0)
    plane = fit_plane(logits, features, 2)
    off = np.array([[0.3, 0.3, 0.0], [0.3, 0.3, 2.0]])
    scores = Scorer("vim", 1.0, plane)(logits[:2], off)
    assert scores == pytest.approx(energy(logits[:2]) - [0.0, 2 * plane.weight])


def test_packed_numbers_are_bytes_and_lose_little() -> None:
    generator = np.random.default_rng(10)
    features = generator.normal(size=(700, 1280)) + 3
    neighbours = fit_neighbours(features, 9, 680)
    arrays = packed(neighbours)
    assert {name: array.dtype.name for name, array in arrays.items() if array.size > 16} == {
        "centre": "int8",
        "directions": "int8",
        "places": "int8",
    }
    assert sum(array.nbytes for array in arrays.values()) < 20_000
    exact, rounded = nearest(features, neighbours), nearest(features, as_packed(neighbours))
    assert np.abs(exact - rounded).max() < 0.02 * exact.std() + 1e-3
    few = Direction(generator.normal(size=8), 0.25)
    assert packed(few)["weights"].dtype == np.float32, "few numbers are kept as they are"


def test_a_narrowed_space_keeps_the_widest_directions_and_the_variance_of_the_rest() -> None:
    _, features, truth = clusters(0)
    space = fit_feature_space(features, truth)
    few = narrowed(space, 3)
    assert few.variances.tolist() == sorted(space.variances, reverse=True)[:3]
    assert few.variances.sum() + 5 * few.rest == pytest.approx(space.variances.sum())
    assert np.abs(few.directions[7]).max() == pytest.approx(1, abs=0.01), "the one that varies most"
    everything = narrowed(space, 8)
    assert mahalanobis(features, everything) == pytest.approx(mahalanobis(features, space))


def test_directions_that_no_picture_spans_count_in_the_rest() -> None:
    generator = np.random.default_rng(0)
    features = np.hstack([generator.normal(size=(6, 5)), np.zeros((6, 15))])
    space = fit_feature_space(features, np.zeros(6, int))
    total = space.variances.sum() + (20 - len(space.variances)) * space.rest
    few = narrowed(space, 2)
    assert few.variances.sum() + 18 * few.rest == pytest.approx(total)


@pytest.mark.parametrize(
    ("name", "learnt"),
    [
        ("linear", None),
        ("cosine", Direction(np.ones(2), 0.0)),
        ("linear", Prototypes(np.ones((1, 2)))),
        ("mahalanobis", Prototypes(np.ones((1, 2)))),
        ("energy", Direction(np.ones(2), 0.0)),
    ],
)
def test_a_score_has_what_it_learnt_and_nothing_else(name: KnownScore, learnt: Learnt | None) -> None:
    with pytest.raises(ValueError, match=f"score {name} needs a"):
        Scorer(name, 1.0, learnt)


def test_the_shipped_threshold_is_judged_first_and_as_it_is() -> None:
    known, unknown = {"energy": np.arange(10.0)}, {"energy": np.arange(-5.0, 5.0)}
    elsewhere = {"energy": np.arange(2.0, 12.0)}
    right = np.ones(10, bool)
    shipped, fitted = judge_scores(
        ScoreSets(known, known, unknown, elsewhere),  # type: ignore[arg-type]
        right,
        shipped=("energy", 3.0),
    )
    assert (shipped.keep, shipped.threshold, shipped.kept, shipped.rejected) == (None, 3.0, 0.7, 0.8)
    assert (shipped.in_words, fitted.in_words) == ("energy, as shipped", "energy")
    assert (fitted.keep, fitted.threshold, fitted.kept) == (0.95, 0.0, 1.0)
    assert (
        shipped.auroc == fitted.auroc == pytest.approx(roc_auc_score([1] * 10 + [0] * 10, [*range(10), *range(-5, 5)]))
    )
    assert shipped.kept_elsewhere == 0.9
    assert shipped.auroc_elsewhere == pytest.approx(roc_auc_score([1] * 10 + [0] * 10, [*range(2, 12), *range(-5, 5)]))


@pytest.mark.parametrize(("keep", "expected"), [(0.95, 5.0), (1.0, 0.0), (0.5, 50.0), (0.951, 4.0)])
def test_the_threshold_keeps_at_least_its_share(keep: float, expected: float) -> None:
    scores = np.arange(100.0)
    threshold = threshold_keeping(scores, keep)
    assert threshold == expected
    assert (scores >= threshold).mean() >= keep


def test_ties_are_kept() -> None:
    assert threshold_keeping(np.array([1.0, 1, 1, 2]), 0.75) == 1.0


def test_results_are_scikit_learns() -> None:
    generator = np.random.default_rng(5)
    known, unknown = {"max_logit": generator.normal(1, 1, 200)}, {"max_logit": generator.normal(0, 1, 150)}
    right = generator.random(200) < 1 / (1 + np.exp(-2 * known["max_logit"]))
    fitting = {"max_logit": generator.normal(1, 1, 500)}
    (result,) = judge_scores(ScoreSets(known, fitting, unknown), right, keep=0.9)  # type: ignore[arg-type]
    is_known = np.repeat([1, 0], [200, 150])
    scores = np.concatenate([known["max_logit"], unknown["max_logit"]])
    assert result.auroc == pytest.approx(roc_auc_score(is_known, scores))
    assert result.auroc_wrong == pytest.approx(roc_auc_score(right, known["max_logit"]))
    fpr, tpr, _ = roc_curve(is_known, scores, drop_intermediate=False)
    assert result.fpr_at_95 == pytest.approx(fpr[np.argmax(tpr >= 0.95)])
    assert result.rejected == pytest.approx((unknown["max_logit"] < result.threshold).mean())
    assert result.kept == pytest.approx((known["max_logit"] >= result.threshold).mean())
    (without,) = judge_scores(ScoreSets(known, fitting), np.ones(200, bool))  # type: ignore[arg-type]
    assert (without.auroc, without.auroc_wrong, without.rejected, without.fpr_at_95) == (None, None, None, None)


def test_more_features_than_pictures_need_no_square_of_them() -> None:
    generator = np.random.default_rng(0)
    features, truth = generator.normal(size=(12, 40_000)), np.arange(12) % 3  # (F, F) would take 13 GB
    space = fit_feature_space(features, truth)
    assert space.directions.shape == (40_000, 12)
    assert mahalanobis(features, space).min() > mahalanobis(10 * generator.normal(size=(12, 40_000)), space).max()
