"""The report: one data model, and pure renderers that turn it into text."""
