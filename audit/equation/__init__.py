"""What every attack solves: a target as a weighted sum of gradients at unknown samples."""
