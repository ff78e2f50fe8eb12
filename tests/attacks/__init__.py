"""Tests of attacks: contracts that every attack of the battery keeps, and what is particular to each."""
