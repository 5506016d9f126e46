"""Prefect over its REST API, without importing Prefect: safe in a web process."""
