"""What can be run: the registry, the three kinds of processor, and the validation of inputs."""
