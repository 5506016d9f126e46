"""The engine: everything that talks to Prefect, and the only code that imports it."""
