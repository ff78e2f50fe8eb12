from audit.render.sentences.sources import origins, origins_of
from tests.report.factory import make_observed, make_report


def test_every_source_is_named_once_and_the_weights_if_there_is_none() -> None:
    assert origins([], "gradient") == "the weights"
    assert origins(["weights", "gradient", "weights"], "update") == "the weights and an observed update"
    assert origins(["change"], "gradient") == "the change of the weights"


def test_origins_are_of_the_samples_in_question() -> None:
    report, observed = make_report(), make_observed("update")
    assert origins_of(report, report.samples) == origins(["weights"], "gradient")
    assert origins_of(observed, observed.samples) == origins(["weights", "gradient"], "update")
    assert origins_of(observed, observed.samples[1:]) == origins(["gradient"], "update")
