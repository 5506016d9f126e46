"""What can be run: processors of every kind, their descriptions, the checking of inputs."""
