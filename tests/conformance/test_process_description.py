"""Conformance class "ogc-process-description" (OGC 18-062r2, 8)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.api import PROCESS, Api
from tests.conformance.documents import Process, ProcessList, read, schema_faults

requirement = pytest.mark.requirement

# Its author wrote `bool` for `boolean`, as authors do; other tests are about that.
FAULTY = "typed"


def described(api: Api) -> Iterator[Process]:
    """Return the description of each process."""
    listed = read(ProcessList, api.get("/processes", limit=1000)).processes
    assert len(listed) > 10
    for each in listed:
        yield read(Process, api.get(f"/processes/{each.id}"))


def faults(api: Api, kind: str) -> dict[str, list[str]]:
    """Return what is wrong with the schemas of all inputs or outputs, by process and name."""
    found = {
        f"{process.id}/{name}": schema_faults(each.schema_)
        for process in described(api)
        if process.id != FAULTY
        for name, each in getattr(process, kind).items()
    }
    return {where: wrong for where, wrong in found.items() if wrong}


def declared(api: Api, kind: str, name: str) -> dict[str, Any]:
    """Return the schema of an input or output of the process that has all kinds of them."""
    schema: dict[str, Any] = getattr(the_process(api), kind)[name].schema_
    return schema


def the_process(api: Api) -> Process:
    """Return the description of the process that has all kinds of inputs."""
    return read(Process, api.get(f"/processes/{PROCESS}"))


@requirement("/req/ogc-process-description/json-encoding")
def test_ogc_process_description_json_encoding(api: Api) -> None:
    for process in described(api):
        assert process.title and process.jobControlOptions, process


@requirement("/req/ogc-process-description/inputs-def")
def test_ogc_process_description_inputs_def(api: Api) -> None:
    inputs = the_process(api).inputs
    assert {name for name, each in inputs.items() if each.minOccurs} == {"text"}
    assert inputs["many"].maxOccurs == 3


@requirement("/req/ogc-process-description/input-def")
def test_ogc_process_description_input_def(api: Api) -> None:
    assert faults(api, "inputs") == {}


@requirement("/req/ogc-process-description/input-mixed-type")
def test_ogc_process_description_input_mixed_type(api: Api) -> None:
    kinds = [each["type"] for each in declared(api, "inputs", "geometry")["oneOf"]]
    assert kinds == ["string", "object"]  # the first is the default


@requirement("/req/ogc-process-description/input-binary")
def test_ogc_process_description_input_binary(api: Api) -> None:
    for each in declared(api, "inputs", "image")["oneOf"]:
        assert (each["type"], each["contentEncoding"]) == ("string", "binary")
        assert each["contentMediaType"].startswith("image/")


@requirement("/req/ogc-process-description/outputs-def")
def test_ogc_process_description_outputs_def(api: Api) -> None:
    outputs = the_process(api).outputs
    assert outputs.keys() == the_process(api).inputs.keys() - {"pause"}


@requirement("/req/ogc-process-description/output-def")
def test_ogc_process_description_output_def(api: Api) -> None:
    assert faults(api, "outputs") == {}


@requirement("/req/ogc-process-description/output-mixed-type")
def test_ogc_process_description_output_mixed_type(api: Api) -> None:
    kinds = [each["type"] for each in declared(api, "outputs", "geometry")["oneOf"]]
    assert kinds == ["string", "object"]
