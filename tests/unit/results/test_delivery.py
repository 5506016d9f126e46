"""In which form clients get what a job made."""

import base64
import email
import email.policy
import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest

from pygeoapi_prefect.errors import OutputNotFound, ResultMissing
from pygeoapi_prefect.results import collector
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.delivery import Delivery, deliver, deliver_one
from pygeoapi_prefect.results.manifest import Output
from pygeoapi_prefect.results.storage import ResultStorage

JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
PNG = b"\x89PNG\r\n\x1a\n"

# results.yaml of OGC 18-062r2 with what it refers to. Its `oneOf`s are read as `anyOf`s, as
# meant: 42 is both a number and an integer, and every string might be binary, so that nothing
# but booleans and arrays would be a result.
INPUT_VALUE_NO_OBJECT = {
    "anyOf": [
        *({"type": name} for name in ("string", "number", "integer", "boolean", "array")),
        {
            "type": "object",
            "required": ["bbox"],
            "properties": {
                "bbox": {"type": "array", "items": {"type": "number"}},
                "crs": {"type": "string"},
            },
        },
    ]
}
FORMAT = {
    "type": "object",
    "properties": {
        "mediaType": {"type": "string"},
        "encoding": {"type": "string"},
        "schema": {"anyOf": [{"type": "string"}, {"type": "object"}]},
    },
}
QUALIFIED_INPUT_VALUE = {
    "allOf": [
        FORMAT,
        {
            "type": "object",
            "required": ["value"],
            "properties": {"value": {"anyOf": [INPUT_VALUE_NO_OBJECT, {"type": "object"}]}},
        },
    ]
}
LINK = {
    "type": "object",
    "required": ["href"],
    "properties": {name: {"type": "string"} for name in ("href", "rel", "type", "title")},
}
RESULTS = {
    "type": "object",
    "additionalProperties": {"anyOf": [INPUT_VALUE_NO_OBJECT, QUALIFIED_INPUT_VALUE, LINK]},
}


class Job:
    """A job that makes what a test wants it to."""

    def __init__(self, storage: ResultStorage, *declared: str) -> None:
        self.storage = storage
        self.collector = Collector(storage, JOB, 1, declared or ("result",))

    def publishes(self, output_id: str, content: bytes, media_type: str) -> "Job":
        self.collector.publish(output_id, content, media_type)
        return self

    def returns(self, media_type: str | None, value: Any) -> "Job":
        self.collector.take_returned(media_type, value)
        return self

    def raw(self, *requested: str) -> Delivery:
        return self._deliver(requested, as_document=False)

    def document(self, *requested: str) -> dict[str, Any]:
        delivery = self._deliver(requested, as_document=True)
        assert delivery.media_type == "application/json"
        document: dict[str, Any] = json.loads(delivery.body)
        return document

    def _deliver(self, requested: tuple[str, ...], *, as_document: bool) -> Delivery:
        manifest = self.collector.manifest("p", as_document=as_document)
        if requested:
            manifest = manifest.model_copy(update={"requested": requested})
        return deliver(self.storage, manifest)


@pytest.fixture
def job(local_storage: ResultStorage) -> Job:
    return Job(local_storage)


def parts_of(delivery: Delivery) -> dict[str, EmailMessage]:
    """Read a multipart body as any MIME reader does."""
    head = f"Content-Type: {delivery.media_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + delivery.body, policy=email.policy.HTTP)
    assert message.is_multipart() and not message.defects
    return {str(part["content-id"]): part for part in message.iter_parts()}  # type: ignore[attr-defined]


# ---- raw


@pytest.mark.parametrize(
    ("returned", "media_type", "body"),
    [
        (
            ("application/json", '{"a": "<b>ü</b>"}'),
            "application/json",
            '{"a": "<b>ü</b>"}'.encode(),
        ),
        (("text/plain", "ü"), "text/plain", "ü".encode()),
        (("application/xml", "<a/>"), "application/xml", b"<a/>"),
        (("image/png", PNG), "image/png", PNG),
        (("application/octet-stream", b""), "application/octet-stream", b""),
        ((None, None), "application/json", b"null"),
    ],
    ids=repr,
)
def test_a_single_output_is_sent_as_it_is(
    job: Job, returned: tuple[str | None, Any], media_type: str, body: bytes
) -> None:
    assert job.returns(*returned).raw() == Delivery(media_type, body)


def test_one_of_several_outputs_is_sent_as_it_is_when_it_alone_is_asked_for(job: Job) -> None:
    job.publishes("map", PNG, "image/png").publishes("notes", b"text", "text/plain")
    assert job.raw("map") == Delivery("image/png", PNG)


def test_several_outputs_are_parts_that_any_mime_reader_finds(job: Job) -> None:
    job.publishes("map", PNG, "image/png").publishes("notes", "ü".encode(), "text/plain")
    parts = parts_of(job.raw())
    assert {name: part.get_content_type() for name, part in parts.items()} == {
        "<map>": "image/png",
        "<notes>": "text/plain",
    }


def test_a_part_holds_exactly_the_bytes_of_its_output(job: Job) -> None:
    content = b"--boundary\r\n\r\n\x00\xff--\r\n"
    job.publishes("odd", content, "application/octet-stream").publishes("b", b"", "text/plain")
    odd = parts_of(job.raw())["<odd>"].get_payload(decode=True)
    assert odd == content


def test_the_parts_are_as_long_as_they_say(job: Job) -> None:
    job.publishes("a", b"12345", "text/plain").publishes("b", b"", "text/plain")
    lengths = {name: str(part["content-length"]) for name, part in parts_of(job.raw()).items()}
    assert lengths == {"<a>": "5", "<b>": "0"}


def test_only_the_parts_that_were_asked_for_are_sent(job: Job) -> None:
    for name in "abc":
        job.publishes(name, name.encode(), "text/plain")
    assert set(parts_of(job.raw("c", "a"))) == {"<a>", "<c>"}


def test_a_job_that_made_nothing_is_answered_with_an_empty_object(job: Job) -> None:
    assert job.raw() == Delivery("application/json", b"{}")


def test_asking_only_for_what_was_not_made_is_answered_with_an_empty_object(job: Job) -> None:
    assert job.publishes("a", b"a", "text/plain").raw("other").body == b"{}"


# ---- document


@pytest.mark.parametrize(
    ("returned", "member"),
    [
        (("application/json", [1, 2]), [1, 2]),
        (("application/json", 42), 42),
        (("application/json", 1.5), 1.5),
        (("application/json", False), False),
        (("application/json", "text"), "text"),
        (("text/plain", "ü"), "ü"),
        (
            ("application/json", {"a": {"b": None}}),
            {"value": {"a": {"b": None}}, "mediaType": "application/json"},
        ),
        (
            ("application/geo+json", {"type": "Point"}),
            {"value": {"type": "Point"}, "mediaType": "application/geo+json"},
        ),
        (
            ("application/vnd.list+json", [1]),
            {"value": [1], "mediaType": "application/vnd.list+json"},
        ),
        (("application/xml", "<a/>"), {"value": "<a/>", "mediaType": "application/xml"}),
        (("text/csv", b"a,b"), {"value": "a,b", "mediaType": "text/csv"}),
        (
            ("image/png", PNG),
            {
                "value": base64.b64encode(PNG).decode(),
                "mediaType": "image/png",
                "encoding": "base64",
            },
        ),
        (
            ("text/csv", b"\xfc"),
            {"value": "/A==", "mediaType": "text/csv", "encoding": "base64"},
        ),
    ],
    ids=repr,
)
def test_an_output_is_a_member_of_the_document_in_the_form_of_the_standard(
    job: Job, returned: tuple[str | None, Any], member: Any
) -> None:
    document = job.returns(*returned).document()
    jsonschema.validate(document, RESULTS)
    assert document == {"result": member}


def test_every_output_is_a_member_of_the_document(job: Job) -> None:
    job.publishes("map", PNG, "image/png").publishes("notes", b"text", "text/plain")
    job.returns("application/json", {"n": 1})
    document = job.document()
    jsonschema.validate(document, RESULTS)
    assert set(document) == {"map", "notes", "result"}


def test_only_the_members_that_were_asked_for_are_in_the_document(job: Job) -> None:
    job.publishes("map", PNG, "image/png").publishes("notes", b"text", "text/plain")
    assert set(job.document("notes")) == {"notes"}


def test_outputs_returned_in_one_object_are_members_of_their_own(
    local_storage: ResultStorage,
) -> None:
    job = Job(local_storage, "count", "shape").returns(
        "application/json", {"count": 3, "shape": {"type": "Point"}}
    )
    document = job.document()
    jsonschema.validate(document, RESULTS)
    assert document == {
        "count": 3,
        "shape": {"value": {"type": "Point"}, "mediaType": "application/json"},
    }


def test_outputs_returned_in_one_object_can_be_asked_for_one_by_one(
    local_storage: ResultStorage,
) -> None:
    job = Job(local_storage, "count", "shape").returns("application/json", {"count": 3, "shape": 4})
    assert job.document("count") == {"count": 3}


def test_an_object_that_happens_to_hold_other_members_is_one_output(
    local_storage: ResultStorage,
) -> None:
    job = Job(local_storage, "count").returns("application/json", {"count": 3, "more": 4})
    assert job.document()["count"]["value"] == {"count": 3, "more": 4}


@pytest.mark.parametrize("output_id", ["a/b", "..", "ü", 'quo"te', "new\nline", ""])
def test_an_output_with_an_odd_id_is_a_member_of_that_name(job: Job, output_id: str) -> None:
    assert job.publishes(output_id, b"text", "text/plain").document() == {output_id: "text"}


def test_published_text_that_is_not_utf_8_is_sent_in_base64(job: Job) -> None:
    job.publishes("notes", "ü".encode("latin-1"), "text/plain")
    assert job.document()["notes"]["encoding"] == "base64"


def test_a_large_file_that_is_called_json_and_is_none_does_not_spoil_the_document(
    job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(collector, "_MAX_READ_BYTES", 3)
    lines = tmp_path / "lines"
    lines.write_bytes(b'{"a": 1}\n{"a": 2}\n')
    job.collector.publish("lines", lines, "application/json")
    job.publishes("notes", b"text", "text/plain")
    assert job.document()["notes"] == "text"


def test_json_with_a_byte_order_mark_does_not_spoil_the_document(job: Job) -> None:
    job.returns("application/json", '{"a": "ü"}'.encode("utf-8-sig"))
    assert set(job.document()) == {"result"}


# ---- by reference

SERVICE = "https://example.org/api"


class SigningStorage(ResultStorage):
    """Storage that can sign, without an object store behind it."""

    def link(self, job_id: str, output: Output) -> str | None:
        return f"https://store/{job_id}/{output.key}?signed"


@pytest.fixture
def several(job: Job) -> Job:
    return job.publishes("map", PNG, "image/png").publishes("notes", b"text", "text/plain")


def refer(job: Job, *by_reference: str, document: bool, url: str | None = SERVICE) -> Delivery:
    manifest = job.collector.manifest(
        "p", as_document=document, by_reference=by_reference, service_url=url
    )
    return deliver(job.storage, manifest.model_copy(update={"requested": by_reference or None}))


def test_an_output_by_reference_is_a_link_in_the_document(several: Job) -> None:
    document = json.loads(refer(several, "map", document=True).body)
    jsonschema.validate(document, RESULTS)
    href = f"{SERVICE}/jobs/{JOB}/results?outputs=map"
    assert document == {"map": {"href": href, "type": "image/png"}}


def test_storage_that_can_sign_is_linked_to_directly(tmp_path: Path) -> None:
    job = Job(SigningStorage(str(tmp_path))).publishes("map", PNG, "image/png")
    document = json.loads(refer(job, "map", document=True).body)
    assert document["map"]["href"] == f"https://store/{JOB}/1/1-map?signed"


def test_nothing_of_an_output_by_reference_is_read(several: Job) -> None:
    several.storage.delete(JOB)
    assert refer(several, "map", "notes", document=True).body


def test_an_output_by_value_beside_one_by_reference_is_a_value(several: Job) -> None:
    manifest = several.collector.manifest(
        "p", as_document=True, by_reference=["map"], service_url=SERVICE
    )
    document = json.loads(deliver(several.storage, manifest).body)
    assert document["notes"] == "text" and "href" in document["map"]


def test_without_any_address_to_link_to_outputs_are_values(several: Job) -> None:
    document = json.loads(refer(several, "map", document=True, url=None).body)
    assert document["map"]["encoding"] == "base64"


def test_raw_outputs_that_are_all_by_reference_are_links_in_the_header(several: Job) -> None:
    delivery = refer(several, "map", "notes", document=False)
    assert [(link.output_id, link.media_type) for link in delivery.links] == [
        ("map", "image/png"),
        ("notes", "text/plain"),
    ]
    assert set(json.loads(delivery.body)) == {"map", "notes"}  # for faces that cannot


def test_raw_outputs_of_which_some_are_by_reference_are_parts_that_say_where(several: Job) -> None:
    manifest = several.collector.manifest(
        "p", as_document=False, by_reference=["map"], service_url=SERVICE
    )
    delivery = deliver(several.storage, manifest)
    parts = parts_of(delivery)
    assert not delivery.links
    assert parts["<map>"]["content-location"] == f"{SERVICE}/jobs/{JOB}/results?outputs=map"
    assert parts["<map>"].get_payload(decode=True) == b""
    assert parts["<notes>"].get_payload(decode=True) == b"text"


@pytest.mark.parametrize("output_id", ["a/b", "ü", 'quo"te', "new\nline", "a,b;c>"])
def test_a_link_to_an_output_with_an_odd_id_fits_into_a_header(job: Job, output_id: str) -> None:
    job.publishes(output_id, PNG, 'image/png; a="b"')
    (link,) = refer(job, output_id, document=False).links
    header = link.as_header()
    assert header.isascii() and header.isprintable() and header.count("<") == 1
    assert parse_qs(urlsplit(link.href).query) == {"outputs": [output_id]}


def test_outputs_returned_in_one_object_can_be_links_too(local_storage: ResultStorage) -> None:
    job = Job(local_storage, "count", "shape").returns("application/json", {"count": 3, "shape": 4})
    manifest = job.collector.manifest(
        "p", as_document=True, by_reference=["count"], service_url=SERVICE
    )
    document = json.loads(deliver(local_storage, manifest).body)
    href = f"{SERVICE}/jobs/{JOB}/results?outputs=count"
    assert document == {"count": {"href": href, "type": "application/json"}, "shape": 4}


def test_one_output_is_delivered_as_it_is(several: Job) -> None:
    manifest = several.collector.manifest("p", as_document=True, by_reference=["map"])
    assert deliver_one(several.storage, manifest, "map") == Delivery("image/png", PNG)


def test_one_output_of_an_object_is_delivered_as_json(local_storage: ResultStorage) -> None:
    job = Job(local_storage, "count").returns("application/json", {"count": {"n": 3}})
    manifest = job.collector.manifest("p", as_document=True)
    one = deliver_one(local_storage, manifest, "count")
    assert one == Delivery("application/json", b'{"n":3}')


def test_one_output_that_was_never_made_is_not_found(several: Job) -> None:
    with pytest.raises(OutputNotFound, match="other"):
        deliver_one(several.storage, several.collector.manifest("p", as_document=True), "other")


# ---- what is gone


def test_results_with_an_output_that_is_gone_are_missing(job: Job) -> None:
    job.publishes("map", PNG, "image/png")
    job.storage.delete(JOB)
    with pytest.raises(ResultMissing):
        job.raw()


def test_an_output_that_is_gone_does_not_matter_to_who_did_not_ask_for_it(job: Job) -> None:
    job.publishes("map", PNG, "image/png")
    job.storage.delete(JOB)
    job.publishes("notes", b"text", "text/plain")
    assert job.raw("notes").body == b"text"
