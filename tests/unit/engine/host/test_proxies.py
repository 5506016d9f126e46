"""Which hosts are addressed without a proxy."""

import pytest

from pygeoapi_prefect.engine.host.proxies import directly


@pytest.mark.parametrize(
    ("environment", "hosts"),
    [
        ({}, "127.0.0.1"),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, "127.0.0.1"),
        ({"NO_PROXY": "example.org, .internal"}, "example.org,.internal,127.0.0.1"),
        ({"no_proxy": "example.org,"}, "example.org,127.0.0.1"),
        ({"NO_PROXY": "a", "no_proxy": "b,a"}, "a,b,127.0.0.1"),
        ({"NO_PROXY": "127.0.0.1"}, "127.0.0.1"),
    ],
)
def test_a_host_is_added_to_those_that_are_there(environment: dict[str, str], hosts: str) -> None:
    assert directly("127.0.0.1", environment) == {"NO_PROXY": hosts, "no_proxy": hosts}
