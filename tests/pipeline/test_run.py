"""The stages together, as a library: verdicts, what reports say of candidates, and that the truth is downstream."""

import json
import re
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from audit.attacks import Observation
from audit.battery import AttackResult, Outcome
from audit.budget import Budget
from audit.errors import UsageError
from audit.pipeline import session
from audit.pipeline.assembly import assemble
from audit.pipeline.demo import train
from audit.pipeline.inspection import inspect
from audit.pipeline.progress import Silent
from audit.pipeline.run import observe_inputs, run
from audit.render.json import render, schema
from audit.report.evidence import Audit
from audit.request.check import Inputs, check
from audit.request.request import Request
from audit.scoring.similarity import ssim
from audit.solve.base import Solution
from audit.words import duration
from tests.tiny import (
    CONTROLS,
    HIDDEN,
    MEMBERS,
    SIDE,
    Steps,
    Tiny,
    attack_once,
    blobs,
    fix_steps,
    make,
    untrained,
    untrained_tiny,
    write_gradient,
)

PLENTY = 1e6


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return make(tmp_path / "tiny")


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attacks take a fixed number of steps."""
    fix_steps(monkeypatch)


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch, steps: None) -> None:
    """What attacks find is computed by the first test that asks for it."""
    attack_once(monkeypatch)


def request(tiny: Tiny) -> Request:
    return Request.of(
        tiny.checkpoint, data=tiny.members, controls=tiny.controls, mean=tiny.mean, budget=PLENTY
    )


def test_an_expired_waiver_stops_the_library_too(tiny: Tiny, tmp_path: Path) -> None:
    path = tmp_path / "waivers.yaml"
    path.write_text("- {id: incomplete-audit, reason: short, owner: Ada, expires: 2020-01-01}")
    with pytest.raises(UsageError, match="by Ada expired on 2020-01-01"):
        run(request(tiny).but(waivers=path))


def test_a_leak_is_confirmed_and_reported_as_the_schema_says(tiny: Tiny, once: None) -> None:
    audit = run(request(tiny))
    report = audit.report
    jsonschema.validate(json.loads(render(report, audit.evidence)), schema())
    assert report.verdict == "FAIL"
    assert report.summary.confirmed == sum(sample.confirmed for sample in report.samples) > 0
    assert report.summary.null_confirmed == 0
    assert (report.summary.members, report.summary.controls) == (MEMBERS, CONTROLS)
    assert report.model.layers == [(HIDDEN, SIDE * SIDE), (1, HIDDEN)]
    assert report.model.biases == [True, False]
    assert report.model.input_shape == [1, SIDE, SIDE]
    assert [sample.label for sample in report.samples] == [0, 1, 0, 1]
    assert report.provenance.complete
    assert report.provenance.notes == []
    margin, loss, delta, *gradients = report.attacks[:7]
    polynomials = report.attacks[7:]
    names = ["kkt-margin", "kkt-loss", "weight-delta", "gradient", "gradient-cosine"]
    names += ["gradient-exact", "moment-tensor"]
    names += ["polynomial", "polynomial-delta", "polynomial-gradient"]
    assert [attack.id for attack in report.attacks] == names
    reasons = ["here it is relu", "pass --initial", "pass --gradient"]
    for attack, reason in zip(polynomials, reasons, strict=True):
        assert attack.status == "skipped"
        assert attack.reason.endswith(reason)
    for attack in gradients:
        assert attack.status == "skipped"
        assert attack.reason.endswith("pass --gradient")
    for attack in (margin, loss):
        assert attack.status == "ran"
        assert attack.steps == 120 * attack.restarts > 0
        assert attack.relative_loss is not None
        assert attack.candidates == len(audit.reconstructions[attack.id])
    assert margin.relative_loss is not None
    assert margin.relative_loss < 0.05
    assert delta.status == "skipped"
    assert delta.reason.endswith("pass --initial")
    assert report.diagnostics.stationarity is not None
    assert report.diagnostics.stationarity.keys() == {"kkt-margin", "kkt-loss"}
    assert 0.0 < max(report.diagnostics.stationarity.values()) < 0.05
    assert report.diagnostics.rank is not None
    assert report.diagnostics.rank.kept == MEMBERS - 1  # images minus their mean span one direction less
    assert {item.attack for item in report.diagnostics.contribution} == {"kkt-margin", "kkt-loss"}
    assert min(item.auc or 0.0 for item in report.diagnostics.contribution) > 0.95
    assert {sample.contribution_rank for sample in report.samples} == {1, 2, 3, 4}
    assert report.diagnostics.attainable is not None
    assert report.diagnostics.attainable.reachable == MEMBERS
    for sample in report.samples:
        assert sample.attainable is not None
        assert sample.attainable + report.diagnostics.attainable.tolerance >= sample.similarity
    assert (report.diagnostics.identifiability, report.diagnostics.notes) == (None, [])


def test_what_splitting_did_is_reported(tiny: Tiny, once: None) -> None:
    audit = run(request(tiny))
    report = audit.report
    margin, loss, delta, *_ = report.attacks
    assert delta.splitting is None
    for attack in (margin, loss):
        found = attack.splitting
        assert found is not None
        assert found.rounds > 0
        assert found.splits > 0
        assert found.relative_loss_before is not None
        assert found.relative_loss_after == attack.relative_loss
        assert attack.relative_loss is not None
        assert attack.relative_loss < found.relative_loss_before
        assert (found.recovered_after, found.confirmed_after) == (attack.recovered, attack.confirmed)
        assert 0 <= found.confirmed_before <= found.recovered_before <= MEMBERS
        assert len(found.similarity_before) == len(found.similarity_after) == MEMBERS
        assert sum(similarity >= 0.4 for similarity in found.similarity_after) == attack.recovered
        assert sum(similarity >= 0.4 for similarity in found.similarity_before) == found.recovered_before
        assert found.gradient is not None
        assert found.gradient > 0
        assert found.eigenvalue is not None
    assert {course.attack for course in audit.trajectories} == {"kkt-margin", "kkt-loss"}
    for course, attack in zip(audit.trajectories, (margin, loss), strict=True):
        assert attack.splitting is not None
        gains = np.subtract(attack.splitting.similarity_after, attack.splitting.similarity_before)
        assert course.sample == int(gains.argmax())
        member = np.load(tiny.members)["images"][course.sample][..., None] / 255
        assert ssim(course.member, member) == pytest.approx(1.0)


def test_without_splitting_an_audit_works_and_says_nothing_of_it(tiny: Tiny, once: None) -> None:
    audit = run(request(tiny).but(no_splitting=True))
    assert audit.report.verdict == "FAIL"
    assert [attack.splitting for attack in audit.report.attacks] == [None] * 10
    assert audit.trajectories == []
    jsonschema.validate(json.loads(render(audit.report, audit.evidence, audit.trajectories)), schema())
    assert not np.array_equal(
        audit.reconstructions["kkt-margin"][0], run(request(tiny)).reconstructions["kkt-margin"][0]
    )


def test_samples_point_at_their_candidates(tiny: Tiny, once: None) -> None:
    audit = run(request(tiny))
    members = np.load(tiny.members)["images"][..., None] / 255
    assert len(audit.report.samples) == len(members)
    for sample, member in zip(audit.report.samples, members, strict=True):
        assert sample.attack is not None
        assert sample.candidate is not None
        image = audit.reconstructions[sample.attack][sample.candidate]
        assert image.shape == (SIDE, SIDE, 1)
        assert ssim(image, member) == pytest.approx(sample.similarity, abs=1e-5)


def test_colour_images_come_back_the_right_way_round(tiny: Tiny) -> None:
    images = np.stack(np.split(blobs(3 * (MEMBERS + CONTROLS), seed=3, side=9), 3), axis=-1)
    members = images[:MEMBERS]
    inputs = torch.from_numpy(members / 255).float().permute(0, 3, 1, 2).reshape(MEMBERS, -1)
    weights = train(inputs - inputs.mean(0), torch.arange(MEMBERS) % 2, hidden=50, margin=50.0)
    save_file(weights, tiny.checkpoint)
    np.savez(tiny.members, images=members)
    np.savez(tiny.controls, images=images[MEMBERS:])
    np.save(tiny.mean, (members / 255).mean(0))
    audit = run(request(tiny))
    best = max(audit.report.samples, key=lambda sample: sample.similarity)
    assert best.confirmed
    assert best.candidate is not None
    assert best.attack is not None
    image = audit.reconstructions[best.attack][best.candidate]
    assert ssim(image, members[int(best.id)]) == pytest.approx(best.similarity, abs=1e-5)
    assert audit.report.model.input_shape == [3, 9, 9]


def test_a_network_of_three_classes(tiny: Tiny, once: None) -> None:
    images = blobs(6 + CONTROLS, seed=4)
    inputs = torch.from_numpy(images[:6].reshape(6, -1) / 255).float()
    weights = train(inputs - inputs.mean(0), torch.arange(6) % 3, hidden=50, outputs=3, margin=50.0)
    save_file(weights, tiny.checkpoint)
    np.savez(tiny.members, images=images[:6], labels=np.arange(6) % 3)
    np.savez(tiny.controls, images=images[6:])
    np.save(tiny.mean, (images[:6] / 255).mean(0))
    report = run(request(tiny)).report
    assert report.verdict == "FAIL"
    assert report.summary.confirmed > 0
    assert report.model.layers[-1] == (3, 50)
    unlabelled(tiny)
    assert run(request(tiny)).report.diagnostics.stationarity == report.diagnostics.stationarity


def unlabelled(tiny: Tiny) -> None:
    np.savez(tiny.members, images=np.load(tiny.members)["images"])


def test_members_without_labels_have_those_that_the_network_predicts(tiny: Tiny, once: None) -> None:
    """They are right here, so nothing changes; with the others the equation has no solution."""
    given = run(request(tiny)).report.diagnostics.stationarity
    unlabelled(tiny)
    assert run(request(tiny)).report.diagnostics.stationarity == given
    np.savez(tiny.members, images=np.load(tiny.members)["images"], labels=1 - np.arange(MEMBERS) % 2)
    wrong = run(request(tiny)).report.diagnostics.stationarity
    assert given is not None
    assert wrong is not None
    assert wrong["kkt-margin"] > 0.5 > given["kkt-margin"]
    assert wrong["kkt-loss"] == given["kkt-loss"]


def test_an_untrained_network_passes(tmp_path: Path) -> None:
    report = run(request(make(tmp_path / "untrained", trained=False))).report
    assert report.verdict == "PASS"
    assert report.summary.confirmed == 0
    assert report.reasons[0].endswith(
        "evidence of resistance to the attacks run (kkt-margin, kkt-loss), at this budget."
    )


def test_a_leaky_model_passes_with_members_it_never_saw(tiny: Tiny, once: None) -> None:
    strangers = np.load(tiny.controls)["images"]
    labels = predicted(tiny, strangers)  # a network that knows its kind of images, not these
    np.savez(tiny.members, images=strangers[:40], labels=labels[:40])
    np.savez(tiny.controls, images=strangers[40:], labels=labels[40:])
    report = run(request(tiny)).report
    assert report.summary.recovered > 0  # chance alone; only confirmed counts
    assert report.summary.confirmed == 0
    assert report.verdict == "PASS"
    assert not any(ground.holds is False for ground in report.verdict_grounds)


def predicted(tiny: Tiny, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What the tiny network says of images, as labels."""
    first, bias, last = (
        load_file(tiny.checkpoint)[name] for name in ("fc1.weight", "fc1.bias", "fc2.weight")
    )
    inputs = torch.from_numpy((images / 255 - np.load(tiny.mean)).reshape(len(images), -1)).to(first)
    labels: NDArray[np.int64] = ((inputs @ first.T + bias).relu() @ last.T > 0)[:, 0].long().numpy()
    return labels


def test_without_controls_nothing_but_exact_copies_is_confirmed(tiny: Tiny, once: None) -> None:
    report = run(request(tiny).but(controls=None)).report
    assert report.verdict == "FAIL"
    assert "uncalibrated-audit" in [finding.kind for finding in report.findings]
    assert report.summary.controls == 0
    assert report.summary.recovered > report.summary.confirmed > 0
    assert {sample.evidence for sample in report.samples if sample.confirmed} == {"exact"}
    assert report.summary.null_confirmed is None
    assert report.data.controls is None


def test_what_was_assumed_is_noted(tiny: Tiny) -> None:
    save_file(load_file(tiny.checkpoint) | {"fc2.bias": torch.zeros(1)}, tiny.checkpoint)
    images = np.load(tiny.members)["images"]
    np.savez(tiny.members, images=images[[0, 1, 2, 2]])
    report = run(request(tiny).but(mean=None, threshold=0.5)).report
    activation, normalisation, copies = report.provenance.notes
    assert "ReLU assumed" in activation
    assert "normalisation not stated" in normalisation
    assert copies.startswith("exact copies among the members: 1;")
    assert report.attacks[0].reason.startswith("biases after the first layer break homogeneity")
    assert report.diagnostics.stationarity is not None
    assert report.diagnostics.stationarity.keys() == {"kkt-margin", "kkt-loss"}
    assert report.attacks[1].reason.startswith("its theory supposes weight decay")
    assert report.summary.threshold == 0.5
    assert any("the policy states 0.4" in reason for reason in report.reasons)


def test_where_training_began_is_noted(tiny: Tiny) -> None:
    start = tiny.checkpoint.with_name("before.safetensors")
    names = {"fc1.weight": "fc2.weight", "fc1.bias": "fc2.bias", "fc2.weight": "fc1.weight"}
    save_file({names[name]: value for name, value in untrained().items()}, start)
    precision, before, order = check(request(tiny).but(initial=start, precision="float64")).notes
    assert precision == "attacks computed in float64"
    assert before == f"weights before training: {start}, sha256 {sha256(start.read_bytes()).hexdigest()}"
    assert order.startswith("--initial: layers ordered by their shapes")
    assert order.endswith(": fc2.weight, fc1.weight")
    assert check(request(tiny)).notes == ()


# --- the truth is downstream ------------------------------------------------------------------------------


def test_what_attacks_find_does_not_depend_on_members_or_controls(tiny: Tiny, tmp_path: Path) -> None:
    """The assumption behind every p-value."""
    first = run(request(tiny))
    other = replace(tiny, members=tmp_path / "other.npz", controls=tmp_path / "more.npz")
    np.savez(other.members, images=blobs(23, seed=7), labels=np.arange(23) % 2)
    np.savez(other.controls, images=blobs(55, seed=8))
    second = run(request(other))
    assert first.report.samples != second.report.samples
    np.testing.assert_array_equal(first.reconstructions["kkt-margin"], second.reconstructions["kkt-margin"])
    assert first.report.attacks[0].history == second.report.attacks[0].history
    third = run(request(other).but(controls=None, policy="research", threshold=0.9))
    np.testing.assert_array_equal(first.reconstructions["kkt-margin"], third.reconstructions["kkt-margin"])


def test_the_seed_decides(tiny: Tiny) -> None:
    asked = request(tiny).but(attacks=("kkt-margin",))
    same, again, other = (run(asked.but(seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(same.reconstructions["kkt-margin"], again.reconstructions["kkt-margin"])
    assert not np.array_equal(same.reconstructions["kkt-margin"][0], other.reconstructions["kkt-margin"][0])


def attacker_sees(inputs: Inputs) -> Observation:
    return observe_inputs(inputs)


def test_an_attacker_sees_the_network_and_the_range_of_its_inputs(tiny: Tiny) -> None:
    inputs = check(request(tiny))
    seen = attacker_sees(inputs)
    mean = torch.from_numpy(np.load(tiny.mean)).flatten()
    torch.testing.assert_close(seen.low, -mean)
    torch.testing.assert_close(seen.high, 1 - mean)
    first, bias, last = seen.network.parameters.tensors
    tensors = load_file(tiny.checkpoint)
    for found, name in ((first, "fc1.weight"), (bias, "fc1.bias"), (last, "fc2.weight")):
        torch.testing.assert_close(found, tensors[name])
    assert seen.initial is None


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_attacker_may_see_where_training_began(tiny: Tiny, precision: str) -> None:
    """Tensors may have other names, as long as the layers are the same; the activation is the checkpoint's."""
    before, start = untrained(), tiny.checkpoint.with_name("before.safetensors")
    names = {"fc1.weight": "net.0.weight", "fc1.bias": "net.0.bias", "fc2.weight": "net.2.weight"}
    save_file({names[name]: value for name, value in before.items()}, start, metadata={"activation": "tanh"})
    seen = attacker_sees(check(request(tiny).but(initial=start, precision=precision)))
    assert seen.initial is not None
    assert seen.initial.activation == seen.network.activation == "relu"
    for found, expected in zip(seen.initial.parameters.tensors, before.values(), strict=True):
        torch.testing.assert_close(found, expected, check_dtype=False)
    everything = (*seen.network.parameters.tensors, *seen.initial.parameters.tensors, seen.low, seen.high)
    assert {tensor.dtype for tensor in everything} == {getattr(torch, precision)}


def test_one_step_of_training_is_seen_by_the_attack_on_the_change(tiny: Tiny) -> None:
    """Of the squared error, at an untrained network: nothing else describes how it was trained."""
    start = tiny.checkpoint.with_name("before.safetensors")
    before = {name: value.clone().requires_grad_() for name, value in untrained().items()}
    images = np.load(tiny.members)["images"].reshape(MEMBERS, -1) / 255
    inputs = torch.from_numpy(images).float() - torch.from_numpy(np.load(tiny.mean)).flatten()
    hidden = (inputs @ before["fc1.weight"].T + before["fc1.bias"]).relu()
    targets = torch.arange(MEMBERS)[:, None] % 2 * 2.0 - 1.0
    (hidden @ before["fc2.weight"].T - targets).square().sum().backward()
    after = {name: (value - 0.05 * value.grad).detach() for name, value in before.items()}
    save_file({name: value.detach() for name, value in before.items()}, start)
    save_file(after, tiny.checkpoint)
    audit = run(request(tiny).but(initial=start, attacks=("weight-delta", "kkt-loss")))
    margin, loss, delta, *_ = audit.report.attacks
    assert (margin.status, loss.status, delta.status) == ("skipped", "ran", "ran")
    assert margin.reason == "not among the attacks asked for"
    truth = audit.report.diagnostics.stationarity
    assert truth is not None
    assert truth["weight-delta"] < 1e-9
    assert truth["kkt-loss"] > 0.5
    assert delta.confirmed > 0
    assert delta.relative_loss is not None
    assert delta.relative_loss < 0.05


# --- an observed gradient ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "factor", "rate"), [("gradient", 1.0, None), ("update", -0.1, None), ("update", -0.1, 0.1)]
)
def test_a_batch_comes_back_exactly(tiny: Tiny, kind: str, factor: float, rate: float | None) -> None:
    tiny = untrained_tiny(tiny)
    seen = write_gradient(tiny, factor=factor)
    asked = request(tiny).but(
        gradient=seen,
        gradient_kind=kind,
        learning_rate=rate,
        attacks=("gradient-exact",),
        policy="research",
    )
    audit = run(asked)
    report = audit.report
    jsonschema.validate(json.loads(render(report, audit.evidence)), schema())
    assert report.summary.confirmed == MEMBERS
    assert report.summary.null_confirmed == 0
    assert {sample.attack for sample in report.samples} == {"gradient-exact"}
    assert min(sample.similarity for sample in report.samples) > 0.999
    exact = next(attack for attack in report.attacks if attack.id == "gradient-exact")
    assert exact.source == "gradient"
    assert re.search(
        r"solved; rank 4 taken .*; \d+ draws and steps; 4 of 4 samples found; residual [\d.e-]+$",
        exact.reason,
    )
    assert report.diagnostics.rank is not None
    assert (report.diagnostics.rank.source, report.diagnostics.rank.kept) == (
        "gradient",
        MEMBERS,
    )
    note = f"observed {kind}: its first layer has rank 4: the batch held at least 4 samples"
    assert report.provenance.notes == [note]
    assert report.data.gradient is not None
    assert report.data.gradient.model_dump() == {
        "kind": kind,
        "source": str(seen),
        "sha256": sha256(seen.read_bytes()).hexdigest(),
        "learning_rate": rate,
        "rank": MEMBERS,
    }


def test_a_gradient_beside_the_weights(tiny: Tiny) -> None:
    """The verdict names what the confirmed images came from, and that is not the weights."""
    tiny = untrained_tiny(tiny)
    ran = ["kkt-margin", "gradient-exact"]
    report = run(
        request(tiny).but(gradient=write_gradient(tiny), attacks=tuple(ran), no_splitting=True)
    ).report
    assert [attack.id for attack in report.attacks if attack.status == "ran"] == ran
    assert report.verdict == "FAIL"
    (reason,) = report.reasons
    assert "an observed gradient" in reason


@pytest.mark.parametrize("labelled", [True, False])
def test_every_attack_on_a_gradient_runs_and_is_measured(tiny: Tiny, once: None, *, labelled: bool) -> None:
    tiny = untrained_tiny(tiny)
    biased = load_file(tiny.checkpoint) | {"fc2.bias": torch.zeros(10)}
    save_file(biased, tiny.checkpoint, metadata={"activation": "relu"})
    seen = write_gradient(tiny)
    if not labelled:
        np.savez(tiny.members, images=np.load(tiny.members)["images"])
    names = ["gradient", "gradient-cosine", "gradient-exact"]
    report = run(request(tiny).but(gradient=seen, attacks=tuple(names), policy="research")).report
    assert [attack.id for attack in report.attacks if attack.status == "ran"] == names
    assert report.summary.confirmed == MEMBERS
    assert report.diagnostics.stationarity is not None
    # One fit for each equation; that of gradient-exact is that of gradient.
    assert {fit.attack for fit in report.diagnostics.contribution} <= set(names)
    assert len(report.diagnostics.contribution) == 2
    assert min(fit.residual for fit in report.diagnostics.contribution) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_gradient_of_any_precision_works(tiny: Tiny, dtype: torch.dtype) -> None:
    tiny = untrained_tiny(tiny)
    asked = request(tiny).but(gradient=write_gradient(tiny, dtype=dtype), attacks=("gradient",))
    report = run(asked).report
    assert report.summary.confirmed > 0
    half = [note for note in report.provenance.notes if "half precision" in note]
    assert bool(half) == (dtype is not torch.float64)


@pytest.mark.parametrize(
    ("members", "controls", "evidence", "doubt"),
    [(4, 50, "rank", []), (1, 24, "rank", []), (1, 23, "exact", ["cannot-confirm"])],
)
def test_a_handful_of_members_needs_few_controls_or_exact_copies(
    tiny: Tiny, members: int, controls: int, evidence: str, doubt: list[str]
) -> None:
    tiny = untrained_tiny(tiny)
    np.savez(tiny.members, images=np.load(tiny.members)["images"][:members])
    np.savez(tiny.controls, images=np.load(tiny.controls)["images"][:controls])
    seen = write_gradient(tiny)
    report = run(request(tiny).but(gradient=seen, attacks=("gradient-exact",), policy="research")).report
    assert report.summary.recovered == report.summary.confirmed == members
    assert {sample.evidence for sample in report.samples} == {evidence}
    kinds = [finding.kind for finding in report.findings if "confirmed" not in finding.kind]
    assert [kind for kind in kinds if kind != "recovered-not-confirmed"] == doubt


@pytest.mark.parametrize("first_only", [True, False])
def test_a_gradient_of_zeros_never_passes(tiny: Tiny, first_only: bool) -> None:
    tiny = untrained_tiny(tiny)
    seen = write_gradient(tiny)
    zeros = ("fc1.weight",) if first_only else ("fc1.weight", "fc1.bias", "fc2.weight")
    tensors = load_file(seen)
    save_file(tensors | {name: torch.zeros_like(tensors[name]) for name in zeros}, seen)
    report = run(request(tiny).but(gradient=seen, attacks=("kkt-margin", "gradient"))).report
    assert report.verdict == "INCONCLUSIVE"
    assert report.findings[0].kind == "observed-not-attacked"
    assert "zero everywhere" in report.reasons[0]


# --- what does not go as planned --------------------------------------------------------------------------


class Heard(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.budgets: set[float] = set()
        self.inside = False

    def __enter__(self) -> "Heard":
        self.inside = True
        return self

    def __exit__(self, *_: object) -> None:
        self.inside = False

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def step(
        self, attack: str, spent: float, budget: float, loss: float, what: str = "relative loss"
    ) -> None:
        assert self.inside
        assert 0 <= spent <= budget
        self.budgets.add(budget)


@pytest.mark.parametrize(("budget", "attacking"), [(20.0, 16.0), (1000.0, 970.0)])
def test_a_part_of_the_budget_is_kept_for_the_report(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, budget: float, attacking: float
) -> None:
    given: list[float] = []
    minimise = Steps.minimise

    def measured(solver: Steps, problem: Any, within: Budget, *rest: Any) -> Solution:
        given.append(within.left)
        return minimise(solver, problem, within, *rest)

    monkeypatch.setattr(Steps, "minimise", measured)
    heard = Heard()
    run(request(tiny).but(budget=budget, positive_control=False), listener=heard, clock=lambda: 0.0)
    assert sum(given) == pytest.approx(attacking, abs=0.1)
    assert heard.stages == [
        f"attacking 144-100-1: {duration(budget)} in all",
        "measuring what the model memorised",
        "matching reconstructions with members and controls",
    ]
    assert len(heard.budgets) == 1
    assert heard.budgets.pop() == attacking
    assert not heard.inside


def test_the_listener_is_closed_when_the_audit_breaks(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    monkeypatch.setattr("audit.pipeline.session.reconstruct", lambda *_, **__: [][0])
    with pytest.raises(IndexError):
        run(request(tiny), listener=heard)
    assert not heard.inside


@pytest.mark.parametrize("moment", [0, 1, 10])
def test_an_interrupt_is_reported_as_incomplete(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    monkeypatch.undo()  # the real restarts
    polls = iter(range(10**9))
    report = run(request(tiny), interrupted=lambda: next(polls) >= moment).report
    assert not report.provenance.complete
    assert "incomplete-audit" in {finding.kind for finding in report.findings}
    assert report.verdict == "INCONCLUSIVE"
    assert [attack.status for attack in report.attacks] == ["failed", "failed", *["skipped"] * 8]


def test_what_was_found_before_an_interrupt_is_reported(tiny: Tiny) -> None:
    heard = Heard()
    report = run(request(tiny), listener=heard, interrupted=lambda: bool(heard.budgets)).report
    assert not report.provenance.complete
    margin, loss, *_ = report.attacks
    assert (margin.status, margin.reason, loss.status) == ("ran", "the user interrupted it", "failed")
    assert report.diagnostics.stationarity is None  # whoever breaks off does not want to wait
    assert report.diagnostics.rank is not None


def test_a_budget_too_small_for_anything_tells_nothing(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real restarts
    report = run(request(tiny).but(budget=1e-6)).report
    assert report.provenance.complete
    assert report.verdict == "INCONCLUSIVE"
    assert {attack.reason for attack in report.attacks[:2]} == {"the time ended before its first step"}
    jsonschema.validate(json.loads(render(report)), schema())


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory")])
def test_a_truth_that_cannot_be_measured_does_not_lose_the_report(
    tiny: Tiny, once: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def exhausted(*_: object) -> None:
        raise error

    monkeypatch.setattr("audit.diagnostics.measure.measure_contributions", exhausted)
    monkeypatch.setattr("audit.diagnostics.measure.attainable_ssim", exhausted)
    report = run(request(tiny)).report
    assert report.verdict == "FAIL"
    assert report.diagnostics.stationarity is None
    assert (report.diagnostics.contribution, report.diagnostics.attainable) == ([], None)
    assert [re.split(" (?:was|were) not measured: ", note)[0] for note in report.diagnostics.notes] == [
        "contributions in the equation of kkt-margin",
        "contributions in the equation of kkt-loss",
        "attainable SSIM",
    ]
    assert {sample.contribution for sample in report.samples} == {None}


def test_the_time_taken_includes_the_matching(
    tiny: Tiny, once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]

    def slowly(*arguments: Any) -> Audit:
        seconds.append(7.0)
        return assemble(*arguments)

    monkeypatch.setattr("audit.pipeline.run.assemble", slowly)
    assert run(request(tiny), clock=lambda: seconds[-1]).report.provenance.seconds == 7.0


def test_an_attack_that_breaks_is_data(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise RuntimeError("CUDA out of memory\nTried to allocate a lot")

    monkeypatch.setattr(Steps, "minimise", exhausted)
    audit = run(request(tiny))
    assert audit.report.verdict == "INCONCLUSIVE"
    assert (audit.report.attacks[0].status, audit.report.attacks[0].reason) == (
        "failed",
        "CUDA out of memory",
    )
    assert audit.reconstructions == {}
    assert {sample.candidate for sample in audit.report.samples} == {None}
    jsonschema.validate(json.loads(render(audit.report)), schema())


def test_weights_so_large_that_nothing_converges(tiny: Tiny) -> None:
    save_file({name: 1e20 * value for name, value in load_file(tiny.checkpoint).items()}, tiny.checkpoint)
    report = run(request(tiny)).report
    jsonschema.validate(json.loads(render(report)), schema())
    assert report.attacks[0].status == "failed"
    assert report.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("further", ["kkt-margin", "kkt-loss"])
def test_a_scan_begins_with_the_equation_that_inspect_begins_with(
    tiny: Tiny, once: None, monkeypatch: pytest.MonkeyPatch, further: str
) -> None:
    """Members fit both alike here, and which attack got further down is not a matter of what the weights hold."""
    attack = session.reconstruct

    def led(*arguments: Any, **options: Any) -> list[Outcome]:
        found = attack(*arguments, **options)
        return [_with_loss(outcome, 0.1 if outcome.attack.id == further else 0.2) for outcome in found]

    monkeypatch.setattr(session, "reconstruct", led)
    scanned = run(request(tiny)).report.diagnostics.contribution
    inspected = inspect(request(tiny), Budget(60.0, lambda: 0.0)).contribution
    assert [found.attack for found in scanned] == [found.attack for found in inspected]
    assert scanned[0].residual == pytest.approx(scanned[1].residual, rel=1e-3)
    assert scanned[0] == inspected[0]


def _with_loss(outcome: Outcome, loss: float) -> Outcome:
    if not isinstance(outcome, AttackResult):
        return outcome
    return replace(outcome, losses=np.full_like(outcome.losses, loss))
