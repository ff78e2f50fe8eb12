"""What is attacked: the file, its layers, its activation and the preprocessing of its inputs."""
