"""The version, by itself: every other module may need it, and the package names them all."""

__version__ = "0.2.0"
