"""Other people's deployments: how they are described, run and read."""
