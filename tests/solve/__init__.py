"""Tests of how an objective is solved."""
