"""The report as data, and what is kept of it in files."""
