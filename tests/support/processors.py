"""Processors for tests, each of which does one thing a user's processor may do."""

import logging
import os
import random
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy
import psutil
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect import job

LOGGER = logging.getLogger(__name__)
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


def description(process_id: str, **more: Any) -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "id": process_id,
        "title": process_id,
        "description": f"The process {process_id}.",
        "jobControlOptions": ["sync-execute", "async-execute"],
        "keywords": [],
        "links": [],
        "inputs": {},
        "outputs": {"result": {"title": "Result", "schema": {"type": "object"}}},
        **more,
    }


class EchoProcessor(BaseProcessor):
    """Returns its inputs."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("echo"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/json", data


class OtherEchoProcessor(BaseProcessor):
    """Returns its inputs and says that it is not the echo."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("other-echo"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/json", {"other": data}


class TypedProcessor(BaseProcessor):
    """Has strictly described inputs."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        inputs = {
            "count": {"schema": {"type": "integer", "minimum": 1}, "minOccurs": 1},
            "flag": {"schema": {"type": "bool"}, "minOccurs": 0},
            "colour": {"schema": {"type": "string", "enum": ["red", "green"]}, "minOccurs": 0},
        }
        example = {"inputs": {"count": 1}}
        super().__init__(processor_def, description("typed", inputs=inputs, example=example))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/json", data


class KindsProcessor(BaseProcessor):
    """Returns a result of the kind it is asked for."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("kinds"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str | None, Any]:
        returns: dict[str, tuple[str | None, Any]] = {
            "object": ("application/json", {"a": 1, "text": "<b>é & ü</b>"}),
            "list": ("application/json", [1, 2, 3]),
            "number": ("application/json", 42),
            "json-text": ("application/json", '{"already": "json"}'),
            "text": ("text/plain", "plain ü text"),
            "xml": ("application/xml", "<root><a>1</a></root>"),
            "png": ("image/png", PNG),
            "ascii-bytes": ("text/csv", b"a,b\n1,2\n"),
            "nothing": (None, None),
            "empty": ("text/plain", None),
            "no-json": ("application/json", b"no json"),
        }
        if data["kind"] == "bytes":
            return "application/octet-stream", b"\xff" * int(data["size"])
        return returns[data["kind"]]


class SeveralProcessor(BaseProcessor):
    """Publishes two outputs and returns a third."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        outputs = {
            name: {"title": name, "schema": {"type": "object"}}
            for name in ("picture", "notes", "summary")
        }
        super().__init__(processor_def, description("several", outputs=outputs))
        self.supports_outputs = True

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        path = Path(data.get("folder", "/tmp")) / f"several-{os.getpid()}.txt"
        path.write_text("some ü notes", encoding="utf-8")
        job.output("picture", PNG, media_type="image/png")
        job.output("notes", path, media_type="text/plain")
        path.unlink()
        return "application/json", {"size": len(PNG)}


def large_content(size: int) -> Iterator[bytes]:
    """Return so many bytes in pieces, no two of which are the same."""
    for start in range(0, size, 1 << 20):
        yield (start.to_bytes(8) * (1 << 17))[: size - start]


class LargeProcessor(BaseProcessor):
    """Publishes a file of `size` bytes; returns by how many its memory grew if that is wanted."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        outputs = {name: {"title": name, "schema": {}} for name in ("raster", "memory")}
        super().__init__(processor_def, description("large", outputs=outputs))
        self.supports_outputs = True

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        before = psutil.Process().memory_info().rss
        with tempfile.NamedTemporaryFile() as file:
            file.writelines(large_content(int(data["size"])))
            file.flush()
            job.output("raster", file.name, media_type="image/tiff; application=geotiff")
        if "memory" not in (outputs or ()):
            return "application/json", None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return "application/json", {"memory": peak - before}


class FailingProcessor(BaseProcessor):
    """Fails in the way it is asked to."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("failing"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        match data.get("how"):
            case "user_msg":
                raise ProcessorExecuteError("hidden", user_msg="for the user")
            case "text":
                raise ProcessorExecuteError("only a text")
            case "bug":
                raise ZeroDivisionError("division by zero")
            case "half":
                print("a line with half \udcff")  # noqa: T201
                job.progress(1, 2, "half \udcff and \0")
                raise ValueError("half \udcff and \0")
            case "exit":
                os._exit(3)
            case "unserialisable":
                return "application/json", {"set": {1, 2}}
        raise ValueError("no way was given")


class SlowProcessor(BaseProcessor):
    """Takes its time, telling its progress; touches a file when it is through."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("slow"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        steps = int(data.get("steps", 10))
        Path(data["started"]).write_text(str(os.getpid())) if "started" in data else None
        for step in range(steps):
            job.progress(step, steps, f"step {step + 1} of {steps}")
            if job.cancel_requested():
                raise ProcessorExecuteError(user_msg="stopped")
            time.sleep(float(data.get("seconds", 0.1)))
        if "finished" in data:
            Path(data["finished"]).touch()
        return "application/json", {"steps": steps, "job": job.id}


class WaitingProcessor(BaseProcessor):
    """Waits until a file appears."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("waiting"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        if "started" in data:
            Path(data["started"]).write_text(str(os.getpid()))
        deadline = time.monotonic() + 120
        while not Path(data["file"]).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return "application/json", {"waited": True}


class TalkativeProcessor(BaseProcessor):
    """Logs and prints."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("talkative"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        for number in range(data.get("lines", 0)):
            print(f"line {number}")  # noqa: T201
        print("a printed line")  # noqa: T201
        LOGGER.error("a logged line")
        LOGGER.warning("a line below the level of the site")
        thread = threading.Thread(target=job.progress, args=(1, 2, "from a thread"))
        thread.start()
        thread.join()
        if data.get("crash"):
            os._exit(1)
        return "application/json", {}


class RandomProcessor(BaseProcessor):
    """Draws random numbers."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("random"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        # NPY002: the old global generator is what a fork copies.
        return "application/json", {"python": random.random(), "numpy": numpy.random.rand()}


class MarkProcessor(BaseProcessor):
    """Leaves a mark each time it runs."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("mark"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        Path(data["folder"], f"{data['n']}-{os.getpid()}").touch(exist_ok=False)
        return "application/json", {"n": data["n"]}


class OnlyAsyncProcessor(BaseProcessor):
    """Offers asynchronous execution only."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(
            processor_def, description("only-async", jobControlOptions=["async-execute"])
        )

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/json", data


class CallingProcessor(BaseProcessor):
    """Calls a process of the same server, which is itself, some levels deep, and waits for it."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("calling"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        if not data["levels"]:
            return "application/json", {"levels": 0}
        inputs = {"url": data["url"], "levels": data["levels"] - 1}
        answer = httpx.post(data["url"], json={"inputs": inputs}, timeout=90, trust_env=False)
        return "application/json", {"status": answer.status_code, "answer": answer.json()}
