"""Members and controls: read from any source, checked, and brought to normalised inputs."""
