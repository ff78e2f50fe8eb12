"""How an objective is solved."""
