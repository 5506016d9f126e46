"""S3 emulators. Each is right about what the other is wrong about.

s3rver's presigned URLs are as they should be, but it takes any secret; moto refuses wrong
credentials, but not presigned URLs.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import boto3
from botocore.config import Config

from pygeoapi_prefect.results.storage import ResultStorage
from tests.support.programs import BIN, ROOT, environment, eventually, free_port, program

BUCKET = "results"
# Installing s3rver is part of its first start.
START_SECONDS = 120


@dataclass(frozen=True)
class Store:
    """A running emulator.

    Attributes:
        port: on which it listens.
        key: an access key that may do everything.
        secret: its secret.
        bucket: a bucket that exists.
        process: the emulator's.
    """

    port: int
    key: str
    secret: str = field(repr=False)
    bucket: str = BUCKET
    process: "Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """The `result_storage_options` with which it can be used."""
        return {"key": self.key, "secret": self.secret, "endpoint_url": self.url}

    def manager(self, prefix: str, **options: Any) -> dict[str, Any]:
        """Return the keys of a manager whose results are there."""
        return {
            "result_storage": f"s3://{self.bucket}/{prefix}",
            "result_storage_options": {**self.options, **options},
        }

    def storage(self, prefix: str, patient: bool = False, **options: Any) -> ResultStorage:
        """Return result storage there."""
        return ResultStorage(
            f"s3://{self.bucket}/{prefix}", {**self.options, **options}, patient=patient
        )

    def client(self) -> Any:
        """Return a client of the vendor, which knows nothing of ours."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            region_name="us-east-1",
            config=Config(request_checksum_calculation="when_required"),
        )

    def keys(self, prefix: str) -> list[str]:
        """Return the keys of all objects below a prefix, without it."""
        listing = self.client().list_objects_v2(Bucket=self.bucket, Prefix=f"{prefix}/")
        return [each["Key"].removeprefix(f"{prefix}/") for each in listing.get("Contents", [])]


@contextmanager
def s3rver(folder: Path, port: int | None = None) -> Iterator[Store]:
    """Run s3rver; what is in its folder stays."""
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(ROOT / "tools" / "s3rver"), "-d", str(folder), "-a", "127.0.0.1"]
    command += ["-p", str(port), "--configure-bucket", BUCKET]
    with program(command, folder.with_suffix(".log"), environment()) as process:

        def look() -> bool:
            assert process.poll() is None, folder.with_suffix(".log").read_text()
            return _listens(port)

        eventually(look, "s3rver listens", START_SECONDS)
        yield Store(port, "S3RVER", "S3RVER", process=process)


@contextmanager
def tried_in_vain(port: int) -> Iterator[None]:
    """Wait at the end until somebody has tried to use a store on a port where none is."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(60)
        yield
        listener.accept()[0].close()


@contextmanager
def moto(folder: Path) -> Iterator[Store]:
    """Run moto with authentication switched on; it keeps nothing."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    folder.mkdir(parents=True, exist_ok=True)
    # What may be done before it asks for credentials: making a user, its policy and its key.
    env = environment(INITIAL_NO_AUTH_ACTION_COUNT="3")
    command = [str(BIN / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with program(command, folder / "moto.log", env) as process:

        def look() -> bool:
            assert process.poll() is None, (folder / "moto.log").read_text()
            return _listens(port)

        eventually(look, "moto listens", START_SECONDS)
        iam = boto3.client(
            "iam",
            endpoint_url=url,
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            region_name="us-east-1",
        )
        iam.create_user(UserName="pygeoapi")
        everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
        iam.put_user_policy(UserName="pygeoapi", PolicyName="all", PolicyDocument=document)
        key = iam.create_access_key(UserName="pygeoapi")["AccessKey"]
        store = Store(port, key["AccessKeyId"], key["SecretAccessKey"], process=process)
        store.client().create_bucket(Bucket=store.bucket)
        yield store


def _listens(port: int) -> bool:
    # Not by a request: moto counts those.
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
