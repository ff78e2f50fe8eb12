"""The terms of a report, each explained in a sentence or two; DESIGN.md has the same list."""

from __future__ import annotations

from audit.report.schema import Report

GLOSSARY: dict[str, str] = {
    "member": "an image the network was trained on, or is stated to have been. With an observed gradient or "
    "update: an image of the batch that it is of.",
    "control": "a held-out image of the same kind that the model never saw (a non-member). What controls reach, "
    "chance reaches.",
    "reconstruction": "an image computed from the network's weights, or from a gradient seen in training, without "
    "looking at any data.",
    "candidate": "one of the many images that an attack optimises together until they explain what it was given.",
    "SSIM": "structural similarity of two images: 1 for equal images, near 0 for unrelated ones.",
    "NCC": "normalised cross-correlation: 1 for images that are equal up to brightness and contrast, near 0 "
    "for unrelated ones.",
    "recovered": "a member whose reconstruction reaches the SSIM threshold. This is the count that papers report; "
    "chance contributes to it.",
    "score": "how close a reconstruction is to the image that it speaks for, with what all images have in common "
    "taken out: 1 for equal images, near 0 for unrelated ones. Each candidate speaks for one image at most.",
    "p-value": "how often a control does at least as well as this member. Small values are unlikely by chance.",
    "confirmed": "recovered, and with p-values so small that at most the stated share (the false discovery "
    "rate) of all confirmed members is expected to be chance; or an exact copy. Policies count these. Identified "
    "is the same for any similarity.",
    "negative control": "the same comparison with random starting images, which contain no information about the "
    "data. If it confirms any member, the similarity measure is biased.",
    "relative loss": "the share of an attack's equation that its reconstructions leave unexplained: 0 is solved, "
    "1 is nothing.",
    "loss at the true samples": "the relative loss that the training samples themselves leave. An attack that "
    "stopped above it may find more with more time; if it is near 1, the equation does not describe the training.",
    "contribution": "how much of what an attack explains a training sample accounts for: the norm of its part of "
    "the sum, over that of the whole. Parts overlap, so that they need not add up to 1.",
    "AUC": "how often a member's contribution is above a held-out sample's: 0.5 is chance, 1 is always.",
    "attainable SSIM": "the best SSIM that was found for an image in the row space of the first layer, where every "
    "attack works. Below the threshold, no attack of this kind is expected to recover the member.",
    "sample splitting": "an attack first lets few candidates settle, then replaces each by two where the curvature "
    "of what it minimises says that two lead further down, and goes on. A round is undone where it does not help.",
    "gradient, eigenvalue": "where the best restart of an attack with splitting stopped: the steepest descent "
    "left, and the lowest curvature that a split would open, as changes of the relative loss. With a gradient "
    "near 0 and an eigenvalue not below 0, neither a small step nor a small split would lead further down.",
    "positive control": "the same attacks, with as much time, on a model that was made to leak some of the "
    "controls. If they cannot find those, a negative result is not informative.",
    "positive-control model": "the model made for that: trained until it memorises its samples, or the gradient "
    "of a batch of them.",
    "power": "the share of the positive control's samples that the attacks confirmed.",
    "validity issue": "a reason why the audit may have missed something, or why its count cannot be relied on. It "
    "withholds PASS.",
    "suppressed": "of a finding: reported, but not counted, because a waiver or a baseline accepts it.",
    "interrupted": "stopped by the user before the end: what was not reached is missing from the report.",
    "inconclusive": "the audit cannot decide. It is not a pass.",
}
"""Every term a reviewer needs, for images."""

_OF_IMAGES = ("SSIM", "NCC", "attainable SSIM")
"""Terms that do not apply to rows of a table."""
_OF_ROWS = {
    "member": "a row of the table the network was trained on, or is stated to have been. With an observed gradient "
    "or update: a row of the batch that it is of.",
    "control": "a held-out row of the same kind that the model never saw (a non-member). What controls reach, "
    "chance reaches.",
    "reconstruction": "a row computed from the network's weights, or from a gradient seen in training, without "
    "looking at any data.",
    "candidate": "one of the many rows that an attack optimises together until they explain what it was given.",
    "correlation": "of two rows over their columns, each column in standard deviations about its mean: 1 for rows "
    "that are equal up to scale, near 0 for unrelated ones. Few columns, or columns that go together, make high "
    "values likely by chance.",
    "relative error": "distance between reconstruction and member over the member's distance from the mean: 0 for "
    "equal rows, 1 for no better than the mean. Weights often leave the scale of a row open, which this counts as "
    "error, and correlation does not.",
    "recovered": "a member whose reconstruction reaches the threshold of correlation. Chance contributes to it.",
    "score": "how close a reconstruction is to the row that it speaks for, with what all rows have in common taken "
    "out: 1 for equal rows, near 0 for unrelated ones. Each candidate speaks for one row at most.",
    "negative control": "the same comparison with random starting rows, which contain no information about the "
    "data. If it confirms any member, the similarity measure is biased.",
}


def glossary(report: Report) -> dict[str, str]:
    """Terms that a report uses, explained."""
    if report.modality == "image":
        return GLOSSARY
    kept = {term: meaning for term, meaning in GLOSSARY.items() if term not in _OF_IMAGES}
    return _OF_ROWS | {term: meaning for term, meaning in kept.items() if term not in _OF_ROWS}
