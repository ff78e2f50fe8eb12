"""What the result means: findings, policy and waivers."""
