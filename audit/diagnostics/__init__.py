"""Memorisation diagnostics, measured without an attack; models that are made to leak; the DP bound."""
