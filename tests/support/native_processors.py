"""Processors for tests of the native face."""

import threading
from typing import Any

from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

from pygeoapi_prefect import job
from tests.support.processors import PNG, description

# Whoever holds a job lets it go by this.
LET_GO = threading.Event()
_NUMBER = {"title": "Number", "schema": {"type": "number"}, "minOccurs": 1, "maxOccurs": 1}


class AddProcessor(BaseProcessor):
    """Adds two numbers; its words are there in two languages."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        words = {
            "title": {"en": "Addition", "de": "Addieren"},
            "inputs": {"a": _NUMBER, "b": {**_NUMBER, "minOccurs": 0}},
            "outputs": {"sum": {"title": "Sum", "schema": {"type": "number"}}},
            "example": {"inputs": {"a": 1, "b": 2}},
        }
        super().__init__(processor_def, description("add", **words))
        self.supports_outputs = True

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        return "application/json", {"sum": data["a"] + data.get("b", 0)}


class PictureProcessor(BaseProcessor):
    """Makes a picture."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        schema = {"type": "string", "contentMediaType": "image/png", "contentEncoding": "binary"}
        outputs = {"picture": {"title": "Picture", "schema": schema}}
        super().__init__(processor_def, description("picture", outputs=outputs))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        job.output("picture", PNG, media_type="image/png")
        return "application/json", None


class SeveralProcessor(BaseProcessor):
    """Makes a text and a picture."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        outputs = {
            "text": {"title": "Text", "schema": {"type": "string"}},
            "picture": {
                "title": "Picture",
                "schema": {"type": "string", "contentMediaType": "image/png"},
            },
        }
        super().__init__(processor_def, description("several", outputs=outputs))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        job.output("text", b"Hello", media_type="text/plain")
        job.output("picture", PNG, media_type="image/png")
        return "application/json", None


class FailProcessor(BaseProcessor):
    """Fails, in its own words or by accident."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("fail"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        if data.get("by_accident"):
            raise KeyError("depth")
        raise ProcessorExecuteError("The area is too large.")


class HoldProcessor(BaseProcessor):
    """Tells of its progress, and goes on when it is let go or dismissed."""

    def __init__(self, processor_def: dict[str, Any]) -> None:
        super().__init__(processor_def, description("hold"))

    def execute(self, data: dict[str, Any], outputs: Any = None) -> tuple[str, Any]:
        job.progress(1, 4, "Held")
        while not LET_GO.wait(0.01) and not job.cancel_requested():
            pass
        return "application/json", {}
