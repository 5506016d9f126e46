"""Prefect blocks that are places for files, as fsspec knows such places.

Read over the API instead of with Prefect's classes: those take seconds to import, and need the
package of each kind of block.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pygeoapi_prefect.errors import StorageUnavailable
from pygeoapi_prefect.results.files import Location

# The credentials of an S3 bucket are Amazon's or MinIO's; each has its own names for the same.
_KEY_NAMES = ("aws_access_key_id", "minio_root_user")
_SECRET_NAMES = ("aws_secret_access_key", "minio_root_password")


def location_of(document: Mapping[str, Any]) -> Location:
    """Return where a block keeps files.

    Args:
        document: the block, as Prefect's API gives it, with its secrets.

    Raises:
        StorageUnavailable: it is none of the kinds that are known here.
    """
    kind = str((document.get("block_type") or {}).get("slug"))
    data: Mapping[str, Any] = document.get("data") or {}
    known = _LOCATIONS.get(kind)
    if known is None:
        raise StorageUnavailable(
            f"The Prefect block {kind}/{document.get('name')} is not a place this service can "
            f"read; known are {', '.join(_LOCATIONS)}."
        )
    return known(data)


def path_of(block: str) -> str:
    """Return the path in Prefect's API of a block.

    Args:
        block: its id, or `<block type>/<name>`.
    """
    kind, slash, name = block.partition("/")
    if not slash:
        return f"/block_documents/{quote(block)}"
    return f"/block_types/slug/{quote(kind)}/block_documents/name/{quote(name)}"


def _local(data: Mapping[str, Any]) -> Location:
    return Location(str(data.get("basepath") or ""), {})


def _remote(data: Mapping[str, Any]) -> Location:
    return Location(str(data["basepath"]), dict(data.get("settings") or {}))


def _s3(data: Mapping[str, Any]) -> Location:
    folder = str(data.get("bucket_folder") or "").strip("/")
    credentials: Mapping[str, Any] = data.get("credentials") or {}
    client: dict[str, Any] = {}
    parameters: Mapping[str, Any] = credentials.get("aws_client_parameters") or {}
    if region := credentials.get("region_name"):
        client["region_name"] = region
    options = {
        "key": _first(credentials, _KEY_NAMES),
        "secret": _first(credentials, _SECRET_NAMES),
        "token": credentials.get("aws_session_token"),
        "endpoint_url": parameters.get("endpoint_url"),
        "client_kwargs": client,
    }
    if parameters.get("verify") is False:
        client["verify"] = False
    url = f"s3://{data['bucket_name']}" + (f"/{folder}" if folder else "")
    return Location(url, {key: value for key, value in options.items() if value})


def _first(data: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((data[name] for name in names if data.get(name)), None)


_LOCATIONS: Mapping[str, Callable[[Mapping[str, Any]], Location]] = {
    "local-file-system": _local,
    "remote-file-system": _remote,
    "s3-bucket": _s3,
}
