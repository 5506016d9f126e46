"""Several machines on one: network namespaces, each with a link to this machine that can be cut."""

import ipaddress
import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Host:
    """A machine of its own, as far as network and state are concerned.

    Attributes:
        name: of its network namespace.
        address: under which the others reach it.
        folder: for what is only there.
        link: the end of its cable at this machine.
    """

    name: str
    address: str
    folder: Path
    link: str

    @property
    def prefix(self) -> list[str]:
        """What a command line begins with to be run there."""
        return ["ip", "netns", "exec", self.name]

    @property
    def variables(self) -> dict[str, str]:
        """Environment with which nothing local is shared with other hosts."""
        own = {
            name: str(self.folder / name.lower())
            for name in ("HOME", "XDG_STATE_HOME", "TMPDIR", "PREFECT_HOME")
        }
        for path in own.values():
            Path(path).mkdir(exist_ok=True)
        return {**own, "NO_PROXY": "*"}

    def cut_off(self) -> None:
        """Pull the cable: nobody is told, packets just do not arrive any more."""
        _ip("link", "set", self.link, "down")

    def connect(self) -> None:
        """Plug the cable in again."""
        _ip("link", "set", self.link, "up")


@dataclass(frozen=True)
class Network:
    """What connects hosts with each other and with this machine.

    Attributes:
        address: of this machine in it.
        hosts: the others.
    """

    address: str
    hosts: list[Host]


@contextmanager
def network(folder: Path, hosts: int) -> Iterator[Network]:
    """Make hosts and a network between them; needs root and iproute2."""
    # Names and addresses that nobody else has: several runs may share a machine.
    token = random.SystemRandom().randrange(1 << 16)
    name = f"pp{token:04x}"
    block = ipaddress.ip_network(f"10.{token >> 8}.{token & 255}.0/24")
    addresses = block.hosts()
    gateway = str(next(addresses))
    with ExitStack() as made:
        _make(made, ("link", "add", name, "type", "bridge"), ("link", "del", name))
        _ip("addr", "add", f"{gateway}/24", "dev", name)
        _ip("link", "set", name, "up")
        found = []
        for number in range(1, hosts + 1):
            host = Host(f"{name}-{number}", str(next(addresses)), folder / f"host-{number}", "")
            host.folder.mkdir()
            found.append(_plug_in(made, host, name, number))
        yield Network(gateway, found)


def _plug_in(made: ExitStack, host: Host, bridge: str, number: int) -> Host:
    here, there = f"{bridge}h{number}", f"{bridge}g{number}"
    _make(made, ("netns", "add", host.name), ("netns", "del", host.name))
    # Explicitly, as the namespace itself lives until its last process is gone.
    _make(
        made,
        ("link", "add", here, "type", "veth", "peer", "name", there, "netns", host.name),
        ("link", "del", here),
    )
    _ip("link", "set", here, "master", bridge, "up")
    for words in (
        ("link", "set", "lo", "up"),
        ("addr", "add", f"{host.address}/24", "dev", there),
        ("link", "set", there, "up"),
    ):
        _ip("-n", host.name, *words)
    return Host(host.name, host.address, host.folder, here)


def _make(made: ExitStack, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    _ip(*add)
    made.callback(subprocess.run, ["ip", *remove], check=False, capture_output=True)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
