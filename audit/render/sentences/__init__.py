"""What a report says, in sentences: one file for each of its sections."""
