"""What is special about S3: how its client is set up, and what its errors mean in words.

Knows s3fs and botocore by the names of their options and errors only; both are optional.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

PROTOCOLS = ("s3", "s3a")
# The smallest part of a large upload, of which about four copies are in memory at once; S3 takes
# 10,000 of them at most.
PART_BYTES = 8 << 20
MAX_PARTS = 9_000

_OPTIONS = "server.manager.result_storage_options"
_URL = "server.manager.result_storage"
# A web process tells its clients soon that the store is down; a job that has computed for an hour
# waits for it about as long as a restart takes.
_SERVING = {"connect_timeout": 2, "read_timeout": 4, "retries": {"total_max_attempts": 1}}
_WORKING = {
    "connect_timeout": 5,
    "read_timeout": 60,
    "retries": {"mode": "standard", "total_max_attempts": 8},
}
_COMMON = {
    # The older way to sign, still a default for links, is not known everywhere.
    "signature_version": "s3v4",
    # Our manifests have checksums; those that botocore adds are not known everywhere.
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
    # Manifests are read side by side.
    "max_pool_connections": 32,
}
_UNKNOWN_KEY = (
    f"the access key is not known there; correct `key` in {_OPTIONS} (or AWS_ACCESS_KEY_ID)"
)
_DENIED = (
    f"access is denied; check the credentials in {_OPTIONS}, and that they allow to get, put and "
    "delete objects, to list the bucket, and to abort uploads"
)
_EXPIRED = "the credentials have expired; renew them"
_OTHER_REGION = f"the bucket is in another region; set client_kwargs.region_name in {_OPTIONS}"
_OF_CODE = {
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": (
        "the secret does not belong to the access key; "
        f"correct `secret` in {_OPTIONS} (or AWS_SECRET_ACCESS_KEY)"
    ),
    "AccessDenied": _DENIED,
    "403": _DENIED,
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": f"the session token is wrong; correct `token` in {_OPTIONS}",
    "RequestTimeTooSkewed": "the clocks of this machine and the store differ; use NTP",
    "PermanentRedirect": _OTHER_REGION,
    "301": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "InvalidBucketName": f"that is no name for a bucket; correct {_URL}",
    "SlowDown": "it has too much to do",
}
_NO_ANSWER = f"{{store}} does not answer; start it, or correct `endpoint_url` in {_OPTIONS}"
_NO_CREDENTIALS = (
    f"there are no credentials; set `key` and `secret` in {_OPTIONS}, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY in the environment of web server and worker"
)
_OF_CLASS = {
    "EndpointConnectionError": _NO_ANSWER,
    "ConnectTimeoutError": _NO_ANSWER,
    "ReadTimeoutError": _NO_ANSWER,
    "ConnectionClosedError": _NO_ANSWER,
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": _NO_CREDENTIALS,
}


def client_options(options: Mapping[str, Any], *, patient: bool) -> dict[str, Any]:
    """Return the options of an S3 file system: what was configured, and our defaults for the rest.

    Args:
        options: what was configured.
        patient: whether to wait for a store that is down for a while.
    """
    ours = {**_COMMON, **(_WORKING if patient else _SERVING)}
    configured = options.get("config_kwargs") or {}
    return {**options, "config_kwargs": {**ours, **configured}}


def in_words(error: Exception, bucket: str) -> str | None:
    """Return what an error of the store means and what to do; None if it says so itself.

    Args:
        error: what s3fs raised.
        bucket: the bucket that was asked for.
    """
    if lacks_bucket(error):
        return f"there is no bucket {bucket!r}; make it, or correct {_URL}"
    for each in _chain(error):
        if code := _code_of(each):
            return _OF_CODE.get(code)
        if _is_of_botocore(each) and (words := _OF_CLASS.get(type(each).__name__)):
            return words.format(store=_store_in(each))
    return None


def lacks_bucket(error: Exception) -> bool:
    """Return whether it is the bucket that does not exist, and not an object in it."""
    return any(_code_of(each) == "NoSuchBucket" for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    # s3fs translates the errors of botocore, which it keeps as their causes.
    while error is not None:
        yield error
        error = error.__cause__


def _code_of(error: BaseException) -> str | None:
    response = getattr(error, "response", None)
    if not _is_of_botocore(error) or not isinstance(response, Mapping):
        return None
    code = response.get("Error", {}).get("Code")
    return None if code is None else str(code)


def _store_in(error: BaseException) -> str:
    # botocore keeps the whole address of what was asked for.
    url = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "it"


def _is_of_botocore(error: BaseException) -> bool:
    return type(error).__module__.startswith(("botocore.", "aiobotocore."))
