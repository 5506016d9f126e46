"""Media types: what is announced is what is delivered, and none can break a header."""

import email
import email.policy
from typing import Any

import pytest

from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.delivery import Link, deliver
from pygeoapi_prefect.results.media_types import (
    content_id,
    in_header,
    media_type_of_results,
    suffix_of,
)
from pygeoapi_prefect.results.storage import ResultStorage

JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
SERVICE = "http://localhost:5000"


def collector_of(storage: ResultStorage, *media_types: str) -> Collector:
    collector = Collector(storage, JOB, 1, [f"out-{n}" for n in range(len(media_types))])
    for number, media_type in enumerate(media_types):
        collector.publish(f"out-{number}", b"1", media_type)
    return collector


@pytest.mark.parametrize("as_document", [True, False])
@pytest.mark.parametrize("by_reference", [(), ("out-0",), ("out-0", "out-1")])
@pytest.mark.parametrize("service_url", [None, SERVICE])
@pytest.mark.parametrize("media_types", [[], ["image/png"], ["image/png", "text/csv"]])
@pytest.mark.parametrize("requested", [None, ("out-0",)])
def test_the_media_type_that_status_announces_is_the_one_delivered(
    local_storage: ResultStorage,
    as_document: bool,
    by_reference: tuple[str, ...],
    service_url: str | None,
    media_types: list[str],
    requested: tuple[str, ...] | None,
) -> None:
    collector = collector_of(local_storage, *media_types)
    manifest = collector.manifest(
        "p", as_document=as_document, by_reference=by_reference, service_url=service_url
    ).model_copy(update={"requested": requested})
    delivered = deliver(local_storage, manifest).media_type.partition(";")[0]
    assert media_type_of_results(manifest) == delivered


# Whoever asks for an output by reference names it.
@pytest.mark.parametrize(
    ("requested", "by_reference"),
    [
        (None, ()),
        (("a",), ()),
        (("a",), ("a",)),
        (("a", "b"), ("a",)),
        (("a", "b"), ("a", "b")),
    ],
)
def test_it_is_also_where_one_object_holds_all_outputs(
    local_storage: ResultStorage,
    by_reference: tuple[str, ...],
    requested: tuple[str, ...] | None,
) -> None:
    collector = Collector(local_storage, JOB, 1, ["a", "b"])
    collector.take_returned(None, {"a": 1, "b": 2})
    manifest = collector.manifest(
        "p", as_document=False, by_reference=by_reference, service_url=SERVICE
    ).model_copy(update={"requested": requested})
    delivered = deliver(local_storage, manifest).media_type.partition(";")[0]
    assert media_type_of_results(manifest) == delivered


HOSTILE = [
    "text/csv\r\nX-Evil: yes",
    "text/csv;\r\nX-Evil: yes",
    "text/csv\r\n;X-Evil: yes",
    "text/csv\n",
    "text/csv\x00",
    "text/csv;\x85",
    "no media type",
    "a/b; c=\r",
]


@pytest.mark.parametrize("media_type", HOSTILE)
def test_a_media_type_that_would_break_a_header_is_sent_as_bytes(media_type: str) -> None:
    assert in_header(media_type) == "application/octet-stream"


@pytest.mark.parametrize(
    "media_type",
    ["image/tiff; application=geotiff", 'text/plain; charset="utf-8"', "application/geo+json"],
)
def test_an_honest_media_type_is_sent_as_it_is(media_type: str) -> None:
    assert in_header(media_type) == media_type


@pytest.mark.parametrize("media_type", HOSTILE)
def test_status_announces_bytes_too_where_bytes_are_sent(
    local_storage: ResultStorage, media_type: str
) -> None:
    manifest = collector_of(local_storage, media_type).manifest("p", as_document=False)
    assert media_type_of_results(manifest) == deliver(local_storage, manifest).media_type


@pytest.mark.parametrize("output_id", ["a\r\nX-Evil: yes", "a\x00", "a>b", 'a"b', "..", "größe"])
def test_an_output_s_id_cannot_begin_another_header(
    local_storage: ResultStorage, output_id: str
) -> None:
    collector = Collector(local_storage, JOB, 1, [])
    collector.publish(output_id, b"1", "text/csv\r\nX-Evil: yes")
    collector.publish("other", b"2", "image/png")
    delivery = deliver(local_storage, collector.manifest("p", as_document=False))
    assert isinstance(delivery.body, bytes)
    head = f"Content-Type: {delivery.media_type}\r\n\r\n".encode()
    message: Any = email.message_from_bytes(head + delivery.body, policy=email.policy.HTTP)
    first, second = message.iter_parts()
    assert [str(part["content-id"]) for part in (first, second)] == [
        content_id(output_id),
        "<other>",
    ]
    assert first["x-evil"] is None and first.get_content() == b"1"


@pytest.mark.parametrize("media_type", [*HOSTILE, 'text/csv; header="present', "a/b; x=\\"])
def test_a_link_header_keeps_to_one_line(media_type: str) -> None:
    header = Link("a\r\nb", f"{SERVICE}/x", media_type).as_header()
    assert header.isprintable()
    # Of a quote that is not closed the rest of the header would be part.
    assert header.count('"') == 4


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [
        ("application/json", ".json"),
        ("application/geo+json", ".geojson"),
        ("application/problem+json", ".json"),
        ("application/prs.coverage+json; charset=utf-8", ".json"),
        ("application/xml", ".xml"),
        ("application/gml+xml", ".xml"),
        ("application/zip", ".zip"),
        ("application/x-netcdf", ".nc"),
        ("application/geopackage+sqlite3", ".gpkg"),
        ("image/tiff; application=geotiff", ".tif"),
        ("IMAGE/PNG", ".png"),
        ("text/csv", ".csv"),
        ("text/plain; charset=utf-8", ".txt"),
        ("text/x-of-nobody", ".txt"),
        ("application/x-of-nobody", ".bin"),
        ("application/octet-stream", ".bin"),
        ("no media type", ".bin"),
    ],
)
def test_a_file_is_named_as_programs_expect_it(media_type: str, suffix: str) -> None:
    assert suffix_of(media_type) == suffix
