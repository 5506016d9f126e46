"""How long a client waits for its request."""

import pytest

from pygeoapi_prefect.ogc.preferences import Preferences, read_preferences
from pygeoapi_prefect.service.modes import choose_mode

BOTH = ["sync-execute", "async-execute"]


@pytest.mark.parametrize(("asked", "waits"), [(5, 5), (0, 0), (3600, 60)])
def test_a_client_may_shorten_the_wait_but_not_lengthen_it(asked: float, waits: float) -> None:
    assert choose_mode(Preferences(is_sync=True, wait=asked), BOTH, 60) == (None, waits)


def test_an_asynchronous_request_may_be_willing_to_wait() -> None:
    preferences = Preferences(respond_async=True, is_sync=True, wait=5)
    assert choose_mode(preferences, BOTH, 60)[1] == 5


def test_a_process_that_is_never_synchronous_is_not_waited_for() -> None:
    assert choose_mode(Preferences(is_sync=True, wait=5), ["async-execute"], 60)[1] is None


def test_a_process_that_is_never_asynchronous_is_waited_for_all_the_same() -> None:
    preferences = Preferences(respond_async=True)
    assert choose_mode(preferences, ["sync-execute"], 60) == ("wait", 60)


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (None, Preferences()),
        ("wait", Preferences(is_sync=True)),
        ("WAIT=5", Preferences(is_sync=True, wait=5)),
        ('respond-async, wait="7"; x=1', Preferences(respond_async=True, is_sync=True, wait=7)),
        ("wait=soon, handling=lenient", Preferences()),
    ],
)
def test_the_header_is_read_as_the_rfc_says(header: str | None, read: Preferences) -> None:
    assert read_preferences(header) == read
