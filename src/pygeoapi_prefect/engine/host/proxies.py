"""Proxies that the environment names: for the outside world, not for what is next to us."""

from collections.abc import Mapping

_VARIABLES = ("NO_PROXY", "no_proxy")


def directly(host: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what to add to an environment so that a host is addressed directly.

    Args:
        host: a name or an address.
        environment: what it is added to; hosts that it names already stay.
    """
    # Libraries differ in which of the two counts if both are there.
    known = [environment[name] for name in _VARIABLES if environment.get(name)]
    hosts = [each.strip() for listed in known for each in listed.split(",") if each.strip()]
    together = ",".join(dict.fromkeys((*hosts, host)))
    return dict.fromkeys(_VARIABLES, together)
