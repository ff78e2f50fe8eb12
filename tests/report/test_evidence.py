from audit.report.evidence import GALLERY, gallery, room, shown
from tests.report.factory import make_evidence, make_report


def test_the_gallery_shows_confirmed_members_first_and_leaves_out_the_unmatched() -> None:
    report = make_report(confirmed=2)
    samples = [*reversed(report.samples)]  # the last member of the factory has no match
    assert [samples[index].id for index in gallery(samples)] == [
        "face-0",
        "face-1",
        "face-2",
        "face-3",
        "face-4",
    ]
    assert len(gallery(samples, limit=3)) == 3


def test_a_confirmed_member_outranks_a_more_similar_one_that_is_not() -> None:
    first, second, *_ = make_report(confirmed=0).samples
    better = first.model_copy(update={"ssim": 0.99, "confirmed": False})
    worse = second.model_copy(update={"ssim": 0.5, "confirmed": True})
    assert gallery([better, worse]) == [1, 0]


def test_evidence_comes_in_the_order_of_the_gallery() -> None:
    report = make_report()
    evidence = make_evidence(report)
    assert [item.sample for item in shown(report, evidence[::-1])] == gallery(report.samples)
    assert [item.sample for item in shown(report, evidence[2:3])] == [evidence[2].sample]


def test_a_recovered_member_outranks_one_that_is_not() -> None:
    first, second, *_ = make_report(confirmed=0).samples
    assert gallery([first.model_copy(update={"ssim": 0.7, "recovered": False}), second]) == [0, 1]
    recovered = second.model_copy(update={"ssim": 0.5, "recovered": True})
    assert gallery([first.model_copy(update={"ssim": 0.7, "recovered": False}), recovered]) == [1, 0]


def test_fewer_matches_keep_their_pictures_where_these_are_large() -> None:
    assert room((28, 28, 1)) == room((64, 64, 3)) == GALLERY
    assert 10 < room((224, 224, 3)) < 100
    assert room((10_000, 10_000, 3)) == 1
