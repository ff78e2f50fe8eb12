"""Which samples came back, and how many more than by chance."""
