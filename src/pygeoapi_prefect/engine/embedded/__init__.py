"""Our own Prefect server, and what keeps it and its worker alive."""
