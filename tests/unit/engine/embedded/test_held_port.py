"""The port of the Prefect server: nobody else gets it, also while the server is away."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pygeoapi_prefect.engine.embedded.held_port import HeldPort, inherited


@pytest.fixture
def port(tmp_path: Path) -> Iterator[HeldPort]:
    port = HeldPort(tmp_path / "port")
    yield port
    port.release()


def bind(number: int) -> None:
    with socket.socket() as another:
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        another.bind(("127.0.0.1", number))
        another.listen()


def connect(number: int) -> None:
    with socket.create_connection(("127.0.0.1", number), timeout=5):
        pass


def server_comes_and_goes(port: HeldPort) -> None:
    with inherited(os.dup(port.descriptor)) as server:
        server.listen()
        with socket.create_connection(("127.0.0.1", port.number), timeout=5) as client:
            accepted, _ = server.accept()
            accepted.close()  # first, so that the kernel keeps it for a minute
            assert client.recv(1) == b""
    port.hang_up()


def test_nobody_else_can_listen_on_it(port: HeldPort) -> None:
    with pytest.raises(OSError, match="in use"):
        bind(port.number)


def test_nor_while_the_server_is_away(port: HeldPort) -> None:
    server_comes_and_goes(port)
    with pytest.raises(OSError, match="in use"):
        bind(port.number)


def test_who_connects_while_the_server_is_away_is_refused_at_once(port: HeldPort) -> None:
    server_comes_and_goes(port)
    with pytest.raises(ConnectionRefusedError):
        connect(port.number)


def test_the_next_server_listens_on_it_again(port: HeldPort) -> None:
    for _ in range(3):
        server_comes_and_goes(port)


def test_it_is_the_same_as_the_last_time(tmp_path: Path, port: HeldPort) -> None:
    server_comes_and_goes(port)
    port.release()
    again = HeldPort(tmp_path / "port")
    again.release()
    assert again.number == port.number


def test_one_that_another_has_meanwhile_is_not_fought_for(tmp_path: Path, port: HeldPort) -> None:
    another = HeldPort(tmp_path / "port")
    another.release()
    assert another.number != port.number


@pytest.mark.parametrize("content", ["", "nonsense", "99999999"])
def test_a_broken_note_of_the_last_time_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "note").write_text(content)
    port = HeldPort(tmp_path / "note")
    port.release()
    assert port.number > 0
