"""Ways in: each translates its protocol to the service and decides nothing."""
