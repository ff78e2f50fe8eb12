"""The twin: which controls it leaks, that it does leak them, and what is reported of it."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from audit.attacks import Observation
from audit.battery import AttackResult, Outcome
from audit.budget import Budget
from audit.diagnostics import layer_noise
from audit.diagnostics.control_model import (
    ControlModel,
    Draw,
    draw,
    share,
    strongest_source,
    train_control_model,
)
from audit.diagnostics.training import loss_gradient, soft_margins
from audit.errors import UsageError
from audit.model.network import Network
from audit.model.parameters import Parameters
from audit.pipeline.progress import Silent
from audit.pipeline.run import run
from audit.render.json import render
from audit.report.measured import PositiveControl
from audit.report.schema import Report
from audit.request.check import check
from audit.request.request import Request
from tests.planted import Clock
from tests.tiny import (
    CONTROLS,
    MEMBERS,
    Tiny,
    attack_once,
    fix_steps,
    make,
    untrained,
    untrained_tiny,
    write_gradient,
)

PLENTY = Budget(1e6, Clock())


# --- which controls ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "controls", "images"), [(4, 100, 4), (40, 60, 20), (500, 200, 66), (1, 25, 1), (9, 33, 9)]
)
def test_a_twin_has_as_many_images_as_members_and_at_most_a_third_of_the_controls(
    members: int, controls: int, images: int
) -> None:
    assert share(members, controls, 0.05) == images


@pytest.mark.parametrize(
    ("members", "controls", "least"), [(4, 0, 28), (4, 27, 28), (1, 24, 25), (40, 34, 35)]
)
def test_too_few_controls_for_a_twin(members: int, controls: int, least: int) -> None:
    """Of the others 24 must be left, for p-values of 4 %."""
    with pytest.raises(UsageError, match=f"{controls} of them are too few; give at least {least}"):
        share(members, controls, 0.05)
    share(members, least, 0.05)


def numbered(count: int) -> NDArray[np.float32]:
    return np.arange(count, dtype=np.float32)[:, None]


def test_controls_are_divided_by_the_seed() -> None:
    images, labels = numbered(30), np.arange(30) % 3
    found = draw(images, labels, 10, 3, seed=1)
    together = np.concatenate([found.images, found.controls])
    np.testing.assert_array_equal(np.sort(together, axis=0), images)
    assert found.labels_given
    np.testing.assert_array_equal(found.labels, found.images[:, 0] % 3)
    np.testing.assert_array_equal(draw(images, labels, 10, 3, seed=1).images, found.images)
    assert not np.array_equal(draw(images, labels, 10, 3, seed=2).images, found.images)


@pytest.mark.parametrize(("outputs", "classes"), [(1, 2), (2, 2), (5, 5)])
def test_labels_that_are_not_given_are_random_and_balanced(outputs: int, classes: int) -> None:
    found = draw(numbered(30), None, 10, outputs, seed=0)
    assert not found.labels_given
    assert np.bincount(found.labels).tolist() == [10 // classes] * classes
    assert found.labels.tolist() != sorted(found.labels.tolist())


# --- the twin ---------------------------------------------------------------------------------------------


def random_network(sizes: list[int], activation: str, seed: int = 7) -> Network:
    generator = torch.Generator().manual_seed(seed)
    weights = [torch.randn(b, a, generator=generator) / a**0.5 for a, b in pairwise(sizes)]
    biases = (torch.zeros(sizes[1]), *(None for _ in sizes[2:]))
    return Network(Parameters(tuple(weights), biases), activation, (1.0,) * (len(sizes) - 2))


def seen(sizes: list[int], activation: str) -> Observation:
    network = random_network(sizes, activation)
    low = torch.full((sizes[0],), -1.0)
    return Observation(network, None, low, -low)


def few(inputs: int, outputs: int) -> Draw:
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (6, inputs)).astype(np.float32)
    return Draw(images, np.arange(6) % max(outputs, 2), False, images[:0])


@pytest.mark.parametrize(
    ("sizes", "activation"),
    [([20, 40, 1], "relu"), ([20, 30, 30, 3], "gelu"), ([20, 40, 1], "polynomial:3"), ([20, 30, 1], "tanh")],
)
def test_a_twin_has_the_shape_and_the_noise_of_the_network_and_nothing_else_of_its_weights(
    sizes: list[int], activation: str
) -> None:
    audited = seen(sizes, activation)
    assert strongest_source(audited) == "weights"
    drawn = few(sizes[0], sizes[-1])
    twin = train_control_model(audited, drawn, 0, PLENTY)
    assert twin.note == ""
    network = twin.observation.network
    assert network.activation == audited.network.activation
    assert [tensor.shape for tensor in network.parameters.tensors] == [
        tensor.shape for tensor in audited.network.parameters.tensors
    ]
    other = replace(audited, network=audited.network.at(audited.network.parameters.times(-1)))
    torch.testing.assert_close(
        train_control_model(other, drawn, 0, PLENTY).observation.network.parameters.tensors,
        network.parameters.tensors,
    )
    inputs = torch.from_numpy(drawn.images)
    outputs = network.forward(inputs)
    predicted = (outputs[:, 0] > 0).long() if sizes[-1] == 1 else outputs.argmax(1)
    assert predicted.tolist() == drawn.labels.tolist()
    images = torch.linalg.qr(inputs.T).Q  # outside of whose span only noise is left
    outside = network.weights[0] - network.weights[0] @ images @ images.T
    level = layer_noise.of_weights(audited.network.parameters)[0]
    rank = sizes[0] - len(inputs)
    assert float(outside.norm()) == pytest.approx(level * (sizes[1] * rank) ** 0.5, rel=0.1)


@pytest.mark.parametrize(
    ("sureness", "least"), [(-3.0, 1.0), (7.0, 7.0), (1e4, 100.0)], ids=["little", "as much", "no more"]
)
def test_a_twin_is_as_sure_of_its_images_as_the_network_of_its_members(sureness: float, least: float) -> None:
    audited, drawn = seen([20, 40, 1], "relu"), few(20, 1)
    twin = train_control_model(audited, drawn, 0, PLENTY, sureness)
    network, labels = twin.observation.network, torch.from_numpy(drawn.labels)
    margins = soft_margins(network.forward(torch.from_numpy(drawn.images)), labels)
    assert twin.margin == least
    assert least < float(margins.min()) < 2 * least


def test_a_twin_of_a_change_begins_where_the_network_did() -> None:
    audited = replace(seen([20, 40, 1], "relu"), initial=random_network([20, 40, 1], "relu", seed=3))
    assert audited.initial is not None
    assert strongest_source(audited) == "change"
    found = train_control_model(audited, few(20, 1), 0, PLENTY).observation
    assert found.initial is audited.initial
    near, far = (
        float((found.network.weights[0] - other.weights[0]).norm())
        for other in (audited.initial, audited.network)
    )
    assert 0 < near < 0.5 * far


def test_a_twin_of_a_gradient_needs_no_training() -> None:
    network = random_network([20, 40, 3], "relu")
    exact = loss_gradient(network, torch.randn(6, 20), torch.arange(6) % 3)
    audited = replace(seen([20, 40, 3], "relu"), gradient=exact)
    assert strongest_source(audited) == "gradient"
    out_of_time = Budget(0.0, Clock())
    drawn = few(20, 3)
    found = train_control_model(audited, drawn, 0, out_of_time).observation
    assert found.network is audited.network
    assert found.gradient is not None
    span = torch.linalg.lstsq(torch.from_numpy(drawn.images).T, found.gradient.weights[0].T)
    left = torch.from_numpy(drawn.images).T @ span.solution - found.gradient.weights[0].T
    assert float(left.norm()) < 1e-5 * float(found.gradient.weights[0].norm())


WIDE = [90, 80, 70, 3]
"""Sizes of which the first two layers tell noise from signal."""


def test_the_noise_of_upper_layers_stays_in_a_twin() -> None:
    audited, drawn = seen(WIDE, "relu"), few(90, 3)
    first, second, last = audited.network.weights
    quiet = audited.network.at(replace(audited.network.parameters, weights=(1e-3 * first, second, last)))
    found = train_control_model(replace(audited, network=quiet), drawn, 0, PLENTY).observation.network
    expected = layer_noise.of_weights(quiet.parameters)
    assert expected[0] == pytest.approx(1e-3 / 90**0.5, rel=0.1)
    assert layer_noise.of_weights(found.parameters)[:2] == pytest.approx(expected[:2], rel=0.15)


def test_a_twin_of_a_change_has_the_noise_of_the_change() -> None:
    audited = seen(WIDE, "relu")
    levels = (1e-4, 3e-4, 2e-4)
    noise = layer_noise.draw(audited.network.parameters, levels, torch.Generator().manual_seed(1))
    drawn = few(90, 3)
    shifted = audited.network.at(audited.network.parameters + noise)
    change: Any
    for network, expected in ((audited.network, 0.0), (shifted, levels[0])):
        twin = train_control_model(
            replace(audited, network=network, initial=audited.network), drawn, 0, PLENTY
        )
        change = twin.observation.network.parameters - audited.network.parameters
        assert layer_noise.of_signal(change)[0] == pytest.approx(expected, rel=0.15)


def test_a_twin_of_a_gradient_has_its_noise_and_its_length() -> None:
    audited, drawn = seen(WIDE, "relu"), few(90, 3)
    gradient = loss_gradient(audited.network, torch.randn(6, 90), torch.arange(6) % 3).times(-0.01)
    noise = layer_noise.draw(gradient, (1e-5, 1e-5, 1e-5), torch.Generator().manual_seed(1))
    observed = gradient + noise
    found = train_control_model(replace(audited, gradient=observed), drawn, 0, PLENTY).observation.gradient
    assert found is not None
    assert found.norm == pytest.approx(observed.norm, rel=0.02)
    assert layer_noise.of_signal(found) == pytest.approx((1e-5,) * 3, rel=0.15)


def test_training_that_ran_out_of_time_is_noted() -> None:
    audited, drawn = seen([20, 40, 1], "relu"), few(20, 1)
    note = train_control_model(audited, drawn, 0, Budget(0.0, Clock())).note
    assert note.startswith("training ended early, at a smallest margin of -")
    assert note.endswith(", before the model had memorised all of its samples")


def test_images_that_cannot_be_learnt_are_noted() -> None:
    drawn = few(20, 1)
    alike = replace(drawn, images=np.repeat(drawn.images[:1], 6, axis=0))
    note = train_control_model(seen([20, 40, 1], "relu"), alike, 0, Budget(2.0, Clock(tick=0.01))).note
    assert "before the model had memorised all of its samples" in note


# --- in an audit ------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make(tmp_path / "tiny")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    fix_steps(monkeypatch)
    attack_once(monkeypatch)


def request(tiny: Tiny, **changes: Any) -> Request:
    asked = Request.of(tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=tiny.mean, budget=1e6)
    return asked.but(positive_control=True, **changes)


def control_of(report: Report) -> PositiveControl:
    control = report.diagnostics.positive_control
    assert control is not None
    assert Report.model_validate_json(render(report)) == report
    return control


def policy(tiny: Tiny, power: object) -> str:
    path = tiny.checkpoint.with_name("mine.yaml")
    limits = "limits: [{metric: confirmed, maximum: 0}]"
    path.write_text(f"version: 1\nname: mine\n{limits}\nrequire: {{positive_control: {power}}}\n")
    return str(path)


def test_a_clean_network_passes_when_its_twin_leaks(
    tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.pipeline.positive_control.sureness", lambda *_: 100.0)
    save_file(untrained(), tiny.checkpoint, metadata={"activation": "relu"})
    report = run(request(tiny, policy=policy(tiny, 0.5))).report
    control = control_of(report)
    assert (control.source, control.labels) == ("weights", "random")
    assert (control.images, control.controls) == (MEMBERS, CONTROLS - MEMBERS)
    assert control.power == control.confirmed / MEMBERS >= 0.5
    assert control.seconds >= control.training_seconds > 0
    assert report.verdict == "PASS"
    assert report.summary.confirmed == 0
    assert report.summary.controls == CONTROLS  # for the members all of them still are
    assert report.summary.upper_limit == pytest.approx(1 - 0.05**0.25)
    assert report.summary.upper_limit_at_power is not None
    assert report.summary.upper_limit_at_power > report.summary.upper_limit
    assert f"Positive control: {control.confirmed} of 4 samples confirmed" in report.reasons[2]


def test_nothing_of_the_twin_depends_on_members_but_how_well_they_are_known(
    tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.pipeline.positive_control.sureness", lambda *_: 20.0)
    first = control_of(run(request(tiny)).report)
    np.savez(tiny.members, images=255 - np.load(tiny.members)["images"])
    second = control_of(run(request(tiny)).report)
    measured = {"kind", "images", "controls", "labels", "recovered", "confirmed", "power", "interval"}
    assert first.model_dump(include=measured) == second.model_dump(include=measured)


def test_the_audit_itself_is_the_same_with_and_without(tiny: Tiny, steps: None) -> None:
    with_control, without = (run(request(tiny).but(positive_control=on)).report for on in (True, False))
    assert without.diagnostics.positive_control is None
    assert without.summary.upper_limit_at_power is None
    assert with_control.samples == without.samples
    assert with_control.controls == without.controls


def test_attacks_that_return_noise_are_no_evidence(
    tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is clean, all else is well, and still it must not pass."""
    from audit.pipeline import session

    attack = session.reconstruct

    def blunt(*arguments: Any, **options: Any) -> list[Outcome]:
        found = attack(*arguments, **options)
        return [replace(o, reconstructions=o.null) if isinstance(o, AttackResult) else o for o in found]

    monkeypatch.setattr(session, "reconstruct", blunt)
    save_file(untrained(), tiny.checkpoint, metadata={"activation": "relu"})
    report = run(request(tiny, policy=policy(tiny, "true"), no_splitting=True)).report
    assert control_of(report).confirmed == 0
    assert report.verdict == "INCONCLUSIVE"
    (failed,) = [one for one in report.findings if one.kind == "positive-control-failed"]
    assert failed.values == {"confirmed": 0, "samples": 4, "required": 0.1, "note": ""}
    assert report.reasons[0] == failed.detail
    assert report.summary.upper_limit_at_power == 1.0


def test_a_policy_that_asks_for_it_is_told_how(tiny: Tiny, steps: None) -> None:
    save_file(untrained(), tiny.checkpoint, metadata={"activation": "relu"})
    report = run(request(tiny, policy=policy(tiny, "true")).but(positive_control=False)).report
    assert report.verdict == "INCONCLUSIVE"
    assert "none was run: leave out --no-positive-control" in report.reasons[0]


def test_the_twin_of_an_observed_gradient(tiny: Tiny, steps: None) -> None:
    tiny = untrained_tiny(tiny)
    np.savez(tiny.members, images=np.load(tiny.members)["images"])
    report = run(request(tiny, gradient=write_gradient(tiny), attacks=("gradient",))).report
    control = control_of(report)
    assert control.source == "gradient"
    assert control.confirmed > 0
    assert report.verdict == "FAIL"


def test_the_twin_of_a_known_start(tiny: Tiny, steps: None) -> None:
    start = tiny.checkpoint.with_name("before.safetensors")
    save_file(untrained(), start)
    before = load_file(start)
    save_file(before | {"fc1.weight": before["fc1.weight"] + 1e-3}, tiny.checkpoint)
    report = run(request(tiny, initial=start, attacks=("weight-delta",))).report
    control = control_of(report)
    assert control.source == "change"
    assert control.confirmed > 0
    assert report.summary.confirmed == 0


class Stages(Silent):
    """Remembers the stages."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stage(self, text: str) -> None:
        self.told.append(text)


@pytest.mark.parametrize(
    ("moment", "reported"), [("training a model", False), ("attacking that model", True)]
)
def test_an_interrupt_of_the_positive_control_loses_nothing_of_the_audit(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, moment: str, reported: bool
) -> None:
    fix_steps(monkeypatch)
    heard = Stages()
    report = run(
        request(tiny), listener=heard, interrupted=lambda: any(moment in text for text in heard.told)
    ).report
    assert not report.provenance.complete
    assert report.verdict == "FAIL"
    assert report.summary.confirmed > 0
    assert [attack.status for attack in report.attacks[:2]] == ["ran", "ran"]
    assert heard.told[2].startswith("matching")  # what was found is known before
    control = report.diagnostics.positive_control
    assert (control is not None) == reported
    if control is not None:
        assert (control.confirmed, control.note) == (0, "interrupted")


def test_a_twin_that_needs_too_much_memory_is_reported(
    tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise RuntimeError("CUDA out of memory\nTried to allocate a lot")

    monkeypatch.setattr("audit.pipeline.positive_control.train_control_model", exhausted)
    report = run(request(tiny)).report
    assert report.verdict == "FAIL"
    assert control_of(report).note == "failed: CUDA out of memory"
    failed = [finding.detail for finding in report.findings if finding.kind == "positive-control-failed"]
    assert ["(failed: CUDA out of memory)" in detail for detail in failed] == [True]


def test_a_positive_control_of_a_network_that_was_misread_says_so(
    tiny: Tiny, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.pipeline.positive_control.misreading", lambda facts: {"cause": "chance"})
    assert control_of(run(request(tiny)).report).note.startswith("it counts for nothing: the audited network")


def test_training_takes_half_of_the_budget_at_most(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    original = train_control_model

    def limited(*arguments: Any) -> ControlModel:
        given.append(arguments[3].seconds)
        return original(*arguments)

    monkeypatch.setattr("audit.pipeline.positive_control.train_control_model", limited)
    run(request(tiny, budget=0.5))
    assert given == [0.25]


def test_too_few_controls_are_seen_before_anything_runs(tiny: Tiny) -> None:
    np.savez(tiny.controls, images=np.load(tiny.controls)["images"][:27])
    with pytest.raises(UsageError, match="27 of them are too few; give at least 28"):
        check(request(tiny))
    with pytest.raises(UsageError, match="0 of them are too few"):
        check(request(tiny).but(controls=None))
