"""Contributions and the membership test: on equations whose members are known, and on networks that know nobody."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from audit.attacks import BATTERY
from audit.attacks.kkt_loss import KktLoss
from audit.attacks.kkt_margin import KktMargin
from audit.budget import Budget
from audit.diagnostics import stationarity as fits
from audit.diagnostics.contribution import (
    FEWEST_CONTROLS,
    FEWEST_MEMBERS,
    auc,
    interval,
    measure_contributions,
    stretched,
    weighted,
)
from audit.diagnostics.stationarity import stationarity
from audit.equation.candidates import Candidates
from audit.equation.objective import Objective
from audit.equation.row_space import row_space
from audit.model.parameters import Parameters
from tests import tiny
from tests.planted import Clock, columns, equation, generator, kkt_point, observation, small_network
from tests.planted import planted as solved_by

BUDGET = Budget(100.0, Clock())


def contributions(objective, *rest):
    return measure_contributions(objective, row_space(objective.target.weights[0], "weights"), *rest)


def audited(attack, rows, labels, strangers, stranger_labels=None, network=None) -> object:
    network = network or small_network(1, 2, "first", rows.shape[1], 60)
    objective = equation(attack, observation(network)).objective
    names = labels if equation(attack, observation(network)).classes else None
    return contributions(objective, rows, names, strangers, stranger_labels, generator(), BUDGET)


def images(count, seed=0):
    rows = torch.from_numpy(tiny.blobs(count, seed)).flatten(1).float() / 255
    return rows - rows.mean(0)


def tiny_network(tensors):
    weights = (tensors["fc1.weight"], tensors["fc2.weight"])
    return small_network(1, 2).at(Parameters(weights, (tensors["fc1.bias"], None)))


def tiny_data(controls=tiny.CONTROLS):
    pixels = torch.from_numpy(tiny.blobs(tiny.MEMBERS + tiny.CONTROLS)).flatten(1).float() / 255
    pixels = pixels - pixels[: tiny.MEMBERS].mean(0)
    return pixels[: tiny.MEMBERS], torch.arange(tiny.MEMBERS) % 2, pixels[tiny.MEMBERS :][:controls]


def planted_equation(attack, count=12, strangers=150, seed=0):
    """A target that the first `count` rows solve, with a little noise on it."""
    seen = observation(small_network(1, 2, "first", inputs=70, hidden=90, dtype=torch.float64))
    rows = torch.randn(count + strangers, 70, generator=generator(seed), dtype=torch.float64)
    objective = equation(attack, seen).objective
    labels = equation(attack, seen).label(count)
    weights = 0.5 + torch.rand(count, columns(objective, labels), generator=generator(2), dtype=torch.float64)
    objective = solved_by(objective, Candidates(rows[:count], weights, labels))
    first = objective.target.weights[0]
    noise = torch.randn(first.shape, generator=generator(4), dtype=torch.float64)
    noise *= 0.1 * first.norm() / noise.norm()
    noisy = replace(objective, target=objective.target.with_first_weight(first + noise))
    return noisy, rows[:count], labels, rows[count:]


# What is found


@pytest.mark.parametrize("attack", BATTERY[:3], ids=lambda attack: attack.id)
def test_members_of_a_planted_equation_are_told_from_strangers(attack) -> None:
    equation, rows, labels, strangers = planted_equation(attack)
    names = None if labels is None else torch.arange(len(strangers)) % 2  # planted labels are not predicted
    found = contributions(equation, rows, labels, strangers, names, generator(), BUDGET)
    assert found.fit.residual < 0.02
    assert found.membership.auc > 0.95
    assert found.membership.true_positives > 0.8
    low, high = found.membership.interval
    assert low <= found.membership.auc <= high
    assert (len(found.membership.members), len(found.membership.controls)) == (12, 150)


@pytest.mark.parametrize("attack", [KktMargin(), KktLoss()], ids=lambda attack: attack.id)
def test_members_of_a_network_that_leaks_are_told_from_strangers(attack) -> None:
    rows, labels, strangers = tiny_data()
    found = audited(attack, rows, labels, strangers, network=tiny_network(tiny.weights()))
    assert found.fit.residual < 0.3
    assert found.membership.auc > 0.95
    assert found.membership.interval[0] > 0.7  # of four members


@pytest.mark.parametrize("attack", [KktMargin(), KktLoss()], ids=lambda attack: attack.id)
def test_a_network_that_learnt_nothing_knows_nobody(attack) -> None:
    rows = images(240)
    aucs = []
    for seed in range(6):
        network = small_network(1, 2, "first", rows.shape[1], 100, seed, dtype=torch.float32)
        labels = torch.randint(2, (60,), generator=generator(seed))
        mixed = rows[torch.randperm(len(rows), generator=generator(seed))]
        aucs.append(audited(attack, mixed[:60], labels, mixed[60:], network=network).membership.auc)
    assert 0.4 <= np.mean(aucs) <= 0.6


def test_what_a_member_accounts_for_is_its_contribution() -> None:
    network, planted = kkt_point()
    objective = equation(KktMargin(), observation(network)).objective
    found = contributions(
        objective, planted.inputs, planted.labels, planted.inputs[:0], None, generator(), BUDGET
    )
    # Gradients at a KKT point of this kind are orthogonal to each other.
    assert np.square(found.fit.lengths).sum() == pytest.approx(1.0)
    assert found.ranks.tolist() == (1 + np.argsort(np.argsort(-found.fit.lengths))).tolist()
    assert found.fit.weights.shape == (len(planted), 1)


def test_equal_contributions_share_the_better_rank() -> None:
    rows, labels, strangers = tiny_data(FEWEST_CONTROLS)
    found = audited(KktMargin(), rows[:2], 1 - labels[:2], strangers, network=tiny_network(tiny.weights()))
    assert not found.fit.lengths.any()
    assert found.ranks.tolist() == [1, 1]


@pytest.mark.parametrize("attack", [KktMargin(), KktLoss()], ids=lambda attack: attack.id)
def test_steps_and_exact_solution_tell_the_same_members_apart(
    attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    equation, rows, labels, strangers = planted_equation(attack)
    names = torch.arange(len(strangers)) % 2
    exact = contributions(equation, rows, labels, strangers, names, generator(), BUDGET)
    monkeypatch.setattr(fits, "MOST_NON_NEGATIVE", 0)
    found = contributions(equation, rows, labels, strangers, names, generator(), BUDGET)
    assert (exact.fit.steps, found.fit.rank) == (None, None)
    assert found.fit.residual == pytest.approx(exact.fit.residual, abs=1e-4)
    assert found.membership.auc == pytest.approx(exact.membership.auc, abs=0.01)


def test_members_and_controls_are_treated_alike() -> None:
    """Exchanged, their contributions are exchanged; a network that knows nobody shows no more than that."""
    rows = images(80)
    network = small_network(1, 2, "first", rows.shape[1], 60, dtype=torch.float32)
    there = audited(KktMargin(), rows[:40], torch.zeros(40).long(), rows[40:], network=network).membership
    back = audited(KktMargin(), rows[40:], torch.zeros(40).long(), rows[:40], network=network).membership
    np.testing.assert_allclose(there.members, back.controls, atol=1e-6)
    assert there.auc + back.auc == pytest.approx(1.0)


# What is fitted


def test_stretching_changes_nothing_inside_the_row_space() -> None:
    equation, rows, labels, _ = planted_equation(KktMargin())
    basis = row_space(equation.target.weights[0], "weights").basis
    inside = rows @ basis @ basis.T
    first = equation.target.weights[0] @ basis @ basis.T
    projected = replace(equation, target=equation.target.with_first_weight(first))
    wider, same = stretched(projected, row_space(projected.target.weights[0], "weights"), inside)
    torch.testing.assert_close(same, inside)
    plain, after = stationarity(projected, inside, labels), stationarity(wider, same, labels)
    assert after.residual == pytest.approx(plain.residual, rel=1e-6)
    np.testing.assert_allclose(after.weights, plain.weights, rtol=1e-6)


def test_stretching_makes_the_part_outside_ten_times_as_long() -> None:
    equation, rows, _, _ = planted_equation(KktMargin())
    basis = row_space(equation.target.weights[0], "weights").basis
    wider, longer = stretched(equation, row_space(equation.target.weights[0], "weights"), rows)
    for before, after in ((rows, longer), (equation.target.weights[0], wider.target.weights[0])):
        torch.testing.assert_close(after @ basis, before @ basis)
        outside = before - before @ basis @ basis.T
        torch.testing.assert_close(after - after @ basis @ basis.T, 10 * outside)
    for before, after in zip(equation.points, wider.points, strict=True):
        torch.testing.assert_close(after.forward(longer), before.forward(rows))
    assert wider.target.tensors[1:] == equation.target.tensors[1:]


def test_stretched_is_what_lies_outside_the_row_space_given() -> None:
    """A gradient has an edge of its own: the space is that of the equation, not found anew."""
    equation, rows, _, _ = planted_equation(KktLoss())
    space = replace(
        row_space(equation.target.weights[0], "weights"), basis=torch.eye(70, dtype=torch.float64)[:, :3]
    )
    longer = stretched(equation, space, rows)[1]
    torch.testing.assert_close(longer, torch.cat([rows[:, :3], 10 * rows[:, 3:]], dim=1))


def test_every_unit_of_the_first_layer_counts_the_same() -> None:
    """Units as long as each other in the target, whose equations are still solved by the same lambda."""
    equation, rows, labels, _ = planted_equation(KktMargin(), strangers=0)
    same, images, factors = weighted(equation, row_space(equation.target.weights[0], "weights"), rows)
    target = equation.target
    units = torch.cat([target.weights[0], target.biases[0][:, None]], dim=1).norm(dim=1)
    assert units.max() > 2 * units.min()
    typical = units.square().mean().sqrt()
    torch.testing.assert_close(factors * units, typical * (units / (0.1 * typical)).clamp_max(1.0))
    torch.testing.assert_close(same.target.biases[0], target.biases[0] * factors)
    exact = solved_by(equation, Candidates(rows, torch.ones(12, 1, dtype=torch.float64), labels))
    same, images, factors = weighted(exact, row_space(exact.target.weights[0], "weights"), rows)
    for most in (2000, 0):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fits, "MOST_NON_NEGATIVE", most)
            fit = stationarity(same, images, labels, BUDGET, factors)
        assert fit.residual < (1e-20 if most else 1e-3)
        np.testing.assert_allclose(fit.weights, 1.0, atol=1e-8 if most else 0.1)


def test_a_unit_that_holds_hardly_anything_counts_for_less() -> None:
    equation, rows, _, _ = planted_equation(KktMargin())
    first, bias = equation.target.weights[0], equation.target.biases[0]
    first[4], bias[4] = 0.0, 0.0
    factors = weighted(equation, row_space(first, "weights"), rows)[2]
    assert factors[4] == pytest.approx(10.0)
    nothing = replace(equation, target=equation.target.scale_units(torch.zeros(())))
    assert set(weighted(nothing, row_space(first, "weights"), rows)[2].tolist()) == {1.0}


def test_labels_of_controls_are_predicted_only_where_they_are_unknown() -> None:
    rows, labels, strangers = tiny_data(20)
    network = tiny_network(tiny.weights())
    predicted = (network.forward(strangers)[:, 0] > 0).long()

    def notes_and_auc(names, attack=None):
        found = audited(attack or KktMargin(), rows, labels, strangers, names, network)
        return [note for note in found.notes if "labels" in note], found.membership.auc

    unknown, known = notes_and_auc(None), notes_and_auc(predicted)
    assert unknown == (
        ["labels of controls are unknown: the membership test uses predicted ones for all"],
        known[1],
    )
    assert known[0] == notes_and_auc(None, KktLoss())[0] == []
    assert notes_and_auc(1 - predicted)[1] == 1.0


def test_predictions_of_many_classes() -> None:
    network = small_network(3, 2, "first", 20, 60)
    rows = torch.randn(50, 20, generator=generator(), dtype=torch.float64)
    names = network.forward(rows).argmax(1)
    objective = equation(KktMargin(), observation(network)).objective
    found = [
        contributions(objective, rows[:20], names[:20], rows[20:], given, generator(), BUDGET).membership.auc
        for given in (None, names[20:])
    ]
    assert found[0] == found[1]


# Statistics


def test_area_under_the_curve_is_that_of_mann_and_whitney() -> None:
    rng = np.random.default_rng(0)
    members, controls = rng.integers(0, 9, 30) + 2.0, rng.integers(0, 9, 50) * 1.0
    assert auc(members, controls) == pytest.approx(mannwhitneyu(members, controls).statistic / 1500)
    assert auc(np.ones(3), np.zeros(4)) == 1.0
    assert auc(np.ones(3), np.ones(4)) == 0.5
    both = auc(np.stack([members, -members]), np.stack([controls, -controls]))
    np.testing.assert_allclose(both, [auc(members, controls), 1 - auc(members, controls)])


@pytest.mark.parametrize(("controls", "measured"), [(99, False), (100, True)])
def test_true_positives_take_a_hundred_controls(controls, measured) -> None:
    rows, labels, strangers = tiny_data()
    found = audited(KktMargin(), rows, labels, strangers[:controls], network=tiny_network(tiny.weights()))
    assert (found.membership.true_positives is not None) is measured
    if measured:
        second = np.sort(found.membership.controls)[-2]
        assert found.membership.true_positives == (found.membership.members > second).mean()


def test_the_interval_is_drawn_from_the_generator() -> None:
    rows = images(60)
    network = small_network(1, 2, "first", rows.shape[1], 60, dtype=torch.float32)
    objective = equation(KktLoss(), observation(network)).objective

    def interval(seed):
        found = contributions(objective, rows[:30], None, rows[30:], None, generator(seed), BUDGET)
        return found.membership.interval

    assert interval(0) == interval(0) != interval(1)


@pytest.mark.parametrize(("members", "controls", "least"), [(4, 10, 0.68), (40, 60, 0.95), (100, 400, 0.98)])
def test_the_interval_of_a_perfect_order_is_no_point(members, controls, least) -> None:
    low, high = interval(np.ones(members), np.zeros(controls), generator())
    assert low == pytest.approx(least, abs=0.01)
    assert high == 1.0
    lowest, highest = interval(np.zeros(members), np.ones(controls), generator())
    assert (lowest, highest) == pytest.approx((0.0, 1 - low))


def test_the_interval_is_above_a_half_where_mann_and_whitney_are_sure() -> None:
    """Its lower end, of as many members in a row at the top, against their test without correction."""
    for above in range(30):
        members = np.concatenate([np.arange(100.0, 100.0 + above), np.arange(0.5, 30.5 - above)])
        controls = np.arange(40.0)
        test = mannwhitneyu(
            members, controls, alternative="greater", method="asymptotic", use_continuity=False
        )
        assert (interval(members, controls, generator())[0] > 0.5) <= (test.pvalue < 0.025)
    assert interval(members, controls, generator())[0] > 0.5


@pytest.mark.parametrize("zeros", [0.0, 0.9])
@pytest.mark.parametrize(("members", "controls"), [(5, 10), (5, 200), (40, 20)])
def test_noise_leans_on_members_once_in_forty_times(
    members, controls, zeros, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binomial with 400 draws at .025: more than 19 once in 200 times."""
    monkeypatch.setattr("audit.diagnostics.contribution._RESAMPLES", 100)
    rng, draws = np.random.default_rng(5), generator()
    wrong = 0
    for _ in range(400):
        values = rng.random(members + controls)
        values[values < zeros] = 0.0
        wrong += interval(values[:members], values[members:], draws)[0] > 0.5
    assert wrong <= 19


# Bad input


@pytest.mark.parametrize("controls", [0, FEWEST_CONTROLS - 1])
def test_too_few_controls(controls) -> None:
    rows, labels, strangers = tiny_data()
    found = audited(KktMargin(), rows, labels, strangers[:controls], network=tiny_network(tiny.weights()))
    assert found.membership is None
    assert found.notes == (
        f"membership is not tested with fewer than 10 different controls ({controls} given)",
    )
    assert found.fit.lengths.all()


def test_too_few_members() -> None:
    rows, labels, strangers = tiny_data(20)
    few = torch.cat([rows[: FEWEST_MEMBERS - 1], rows[:1]])
    names = torch.cat([labels[: FEWEST_MEMBERS - 1], labels[:1]])
    found = audited(KktMargin(), few, names, strangers, network=tiny_network(tiny.weights()))
    assert found.membership is None
    assert found.notes[-1] == "membership is not tested with fewer than 4 different members (3 given)"


COPIES = (
    "only the sum of the contributions of exact copies is determined; "
    "the membership test counts each image once"
)


def test_copies_among_members_are_told() -> None:
    rows, labels, strangers = tiny_data(20)
    found = audited(
        KktMargin(),
        torch.cat([rows, rows[:2], rows[:1]]),
        torch.cat([labels, labels[:2], labels[:1]]),
        strangers,
        network=tiny_network(tiny.weights()),
    )
    assert found.notes[:2] == (
        COPIES,
        "contributions of members are not unique: gradients of rank 4 for 7 unknowns",
    )
    assert found.fit.weights[4] == pytest.approx(found.fit.weights[0], rel=1e-3)
    assert len(set(found.ranks[[0, 4, 6]])) == len(set(found.ranks[[1, 5]])) == 1


@pytest.mark.parametrize("attack", [KktMargin(), KktLoss()], ids=lambda attack: attack.id)
def test_copies_count_once(attack) -> None:
    """Of one member and of one control, a hundred each: neither area nor interval may notice."""
    equation, rows, labels, strangers = planted_equation(attack, strangers=60)
    labels = torch.zeros(12).long() if labels is None else labels
    names = torch.arange(60) % 2
    alone = contributions(equation, rows, labels, strangers, names, generator(), BUDGET)
    found = contributions(
        equation,
        torch.cat([rows, rows[3:4].expand(100, -1)]),
        torch.cat([labels, labels[3:4].expand(100)]),
        torch.cat([strangers[7:8].expand(100, -1), strangers]),
        torch.cat([names[7:8].expand(100), names]),
        generator(),
        BUDGET,
    )
    test = found.membership
    assert test.auc == alone.membership.auc
    assert test.interval == pytest.approx(alone.membership.interval, abs=0.02)  # images come in another order
    np.testing.assert_allclose(test.members[:12], alone.membership.members, rtol=1e-6)
    np.testing.assert_array_equal(test.members[12:], test.members[3].repeat(100))
    np.testing.assert_allclose(test.controls[100:], alone.membership.controls, rtol=1e-6, atol=1e-12)
    assert test.true_positives is None  # of 60 different controls
    assert found.notes[0] == COPIES
    assert "exact copies among the controls: 100; the membership test counts each image once" in found.notes


def test_one_image_with_two_labels_is_no_copy() -> None:
    rows, labels, strangers = tiny_data(20)
    both = torch.cat([labels, 1 - labels[:1]])
    found = audited(
        KktMargin(), torch.cat([rows, rows[:1]]), both, strangers, network=tiny_network(tiny.weights())
    )
    assert not any("copies" in note for note in found.notes)


def test_controls_that_are_members_are_told() -> None:
    rows, labels, strangers = tiny_data(20)
    found = audited(
        KktMargin(), rows, labels, torch.cat([strangers, rows[:3]]), network=tiny_network(tiny.weights())
    )
    assert "controls that are members too: 3; the membership test is too low" in found.notes


@pytest.mark.parametrize("exact", [True, False])
def test_more_members_than_parameters(exact, monkeypatch: pytest.MonkeyPatch) -> None:
    network = small_network(1, 2, "none", inputs=4, hidden=3)
    rows = torch.randn(40, 4, generator=generator(), dtype=torch.float64)
    if not exact:
        monkeypatch.setattr(fits, "MOST_NON_NEGATIVE", 0)
    found = audited(KktLoss(), rows[:20], None, rows[20:], network=network)
    assert [note for note in found.notes if "unique" in note] == [
        "contributions of members are not unique: 20 unknowns for 15 parameters",
        "contributions of members and controls are not unique: 40 unknowns for 15 parameters",
    ]
    assert np.isfinite(found.fit.lengths).all()
    assert 0.0 <= found.membership.auc <= 1.0


def test_a_fit_that_time_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    equation, rows, labels, strangers = planted_equation(KktLoss())
    monkeypatch.setattr(fits, "MOST_NON_NEGATIVE", 0)
    found = contributions(equation, rows, labels, strangers, None, generator(), Budget(0.0, Clock()))
    assert not found.membership.converged
    assert found.notes == (
        "the fit of members was ended after 1 step: its residual is an upper bound",
        "the fit of members and controls was ended after 1 step: more time may tell them apart better",
    )


def test_without_a_fit_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels, strangers = tiny_data(20)
    network = tiny_network(tiny.weights())
    assert audited(KktMargin(), rows[:0], labels[:0], strangers, network=network) is None
    count = len(rows)
    monkeypatch.setattr(
        "audit.diagnostics.contribution.stationarity",
        lambda objective, inputs, *rest: (
            stationarity(objective, inputs, *rest) if len(inputs) == count else None
        ),
    )
    found = audited(KktMargin(), rows, labels, strangers, network=network)
    assert found.membership is None
    assert found.notes[-1] == "membership is not tested: the common fit of members and controls failed"


def test_the_time_is_shared_by_both_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    equation, rows, labels, strangers = planted_equation(KktLoss())
    assert isinstance(equation, Objective)
    given = []
    monkeypatch.setattr(
        "audit.diagnostics.contribution.stationarity",
        lambda *arguments: given.append(arguments[3].left) or stationarity(*arguments),
    )
    contributions(equation, rows, labels, strangers, None, generator(), Budget(80.0, Clock()))
    assert given == [40.0, 80.0]  # of a clock that stands still
