"""model-audit: how many training samples can be reconstructed from a trained network's weights."""

__version__ = "0.2.0"
