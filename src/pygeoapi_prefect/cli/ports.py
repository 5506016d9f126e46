"""Ports to listen on."""

import socket

import click


def check_port(host: str, port: int) -> None:
    """Do nothing if we can listen on a port.

    Raises:
        click.ClickException: we cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"cannot listen on {host}:{port}: {error.strerror}. Stop what uses it, or choose "
                "another with --host and --port."
            ) from None
