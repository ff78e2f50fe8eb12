"""What was asked for, read and checked before anything runs."""
