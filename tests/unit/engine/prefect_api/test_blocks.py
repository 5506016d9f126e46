"""Prefect's blocks as places for files, and the one through which flows store results."""

from typing import Any

import pytest

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.engine.prefect_api.blocks import location_of, path_of
from pygeoapi_prefect.engine.prefect_api.results_block import public_options, results_block
from pygeoapi_prefect.errors import StorageUnavailable
from pygeoapi_prefect.results.files import Location


def document(slug: str, **data: Any) -> dict[str, Any]:
    return {"name": "mine", "block_type": {"slug": slug}, "data": data}


@pytest.mark.parametrize(
    ("block", "location"),
    [
        (document("local-file-system", basepath="/data"), Location("/data", {})),
        (
            document("remote-file-system", basepath="s3://b/p", settings={"key": "k"}),
            Location("s3://b/p", {"key": "k"}),
        ),
        (document("s3-bucket", bucket_name="b"), Location("s3://b", {})),
        (
            document(
                "s3-bucket",
                bucket_name="b",
                bucket_folder="/x/y/",
                credentials={
                    "aws_access_key_id": "k",
                    "aws_secret_access_key": "s",
                    "aws_session_token": None,
                    "region_name": "eu",
                    "aws_client_parameters": {"endpoint_url": "http://s3", "verify": False},
                },
            ),
            Location(
                "s3://b/x/y",
                {
                    "key": "k",
                    "secret": "s",
                    "endpoint_url": "http://s3",
                    "client_kwargs": {"region_name": "eu", "verify": False},
                },
            ),
        ),
        (
            document(
                "s3-bucket",
                bucket_name="b",
                credentials={"minio_root_user": "k", "minio_root_password": "s"},
            ),
            Location("s3://b", {"key": "k", "secret": "s"}),
        ),
    ],
    ids=range(5),
)
def test_a_block_is_a_place(block: dict[str, Any], location: Location) -> None:
    assert location_of(block) == location


def test_a_block_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(StorageUnavailable, match="gcs-bucket/mine"):
        location_of(document("gcs-bucket"))


def test_a_block_is_found_by_id_or_by_name() -> None:
    assert path_of("1234") == "/block_documents/1234"
    assert path_of("s3-bucket/a b") == "/block_types/slug/s3-bucket/block_documents/name/a%20b"


OPTIONS = {
    "key": "k",
    "secret": "s",
    "endpoint_url": "http://s3",
    "client_kwargs": {"region_name": "eu", "aws_session_token": "t"},
}


def settings(**more: Any) -> ManagerSettings:
    return ManagerSettings(**more)


@pytest.mark.parametrize("location", [{"output_dir": "/x"}, {"result_storage": "file:///x"}])
def test_a_folder_needs_no_block(location: dict[str, Any]) -> None:
    assert results_block(settings(**location)) is None


def test_an_object_store_needs_one_that_holds_no_secrets() -> None:
    made = results_block(settings(result_storage="s3://b/p/", result_storage_options=OPTIONS))
    assert made is not None
    assert made.name == "remote-file-system/pygeoapi-results"
    assert made.data == {
        "basepath": "s3://b/p/returned",
        "settings": {"endpoint_url": "http://s3", "client_kwargs": {"region_name": "eu"}},
    }


def test_services_on_one_server_have_blocks_of_their_own() -> None:
    made = results_block(settings(result_storage="s3://b", work_pool="My Pool"))
    assert made is not None
    assert made.name == "remote-file-system/pygeoapi-results-my-pool"


def test_a_block_that_is_there_is_used() -> None:
    made = results_block(settings(result_storage="s3-bucket/mine"))
    assert made is not None
    assert (made.name, made.data) == ("s3-bucket/mine", None)


def test_options_without_secrets() -> None:
    assert public_options(settings()) == {}
