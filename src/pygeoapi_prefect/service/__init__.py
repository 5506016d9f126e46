"""The application layer: all that a face needs. Knows Prefect by its port only."""
