"""The configuration of the earlier plugin of this name (0.9), in the words of this one.

Only what its documentation names is read; everything else that is unknown stays an error. What has
no meaning here is left out, and a note says so.

Source:
    The user guide of pygeoapi-prefect 0.9 on the Python Package Index.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pygeoapi_prefect.errors import Fault, pointer

_SYNC, _ASYNC = "enable_sync_job_execution", "enable_async_job_execution"
_TIMEOUT = "sync_job_execution_timeout_seconds"
# Of a deployment: where earlier versions deployed it to.
_OF_DEPLOYING = ("queue", "storage_block", "storage_sub_path")
_MANAGER = ("server", "manager")


@dataclass(frozen=True)
class Translation:
    """A part of the configuration in the present words.

    Attributes:
        section: the part.
        notes: what was read otherwise than it is written, or not at all.
    """

    section: dict[str, Any]
    notes: tuple[Fault, ...] = ()


def translated_manager(section: Mapping[str, Any]) -> Translation:
    """Return the `server.manager` section in the present words."""
    present, notes = dict(section), []
    if _TIMEOUT in present:
        value = present.pop(_TIMEOUT)
        present.setdefault("sync_timeout", value)
        notes.append(_note((*_MANAGER, _TIMEOUT), "is read as `sync_timeout`"))
    for key in (_ASYNC, _SYNC):
        if key in present:
            del present[key]
            message = "is read as `job_control_options` of every process that has none"
            notes.append(_note((*_MANAGER, key), message))
    return Translation(present, tuple(notes))


def modes_of(section: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the modes that a `server.manager` section gives every process, None if it does not.

    The earlier plugin ran nothing synchronously unless told to.
    """
    if _SYNC not in section and _ASYNC not in section:
        return None
    is_on = {"sync-execute": section.get(_SYNC, False), "async-execute": section.get(_ASYNC, True)}
    return tuple(mode for mode, on in is_on.items() if on) or None


def translated_processor(
    process_id: object, processor: Mapping[str, Any], modes: tuple[str, ...] | None = None
) -> Translation:
    """Return the `processor` section of a process in the present words.

    Args:
        process_id: the process.
        processor: its section.
        modes: what the manager's section gives it, if anything.
    """
    present = dict(processor)
    if modes is not None:
        present.setdefault("job_control_options", list(modes))
    policy = present.get("prefect")
    if not isinstance(policy, Mapping):
        return Translation(present)
    location = ("resources", process_id, "processor", "prefect")
    policy, notes = dict(policy), []
    deployment = policy.get("deployment")
    if "result_storage" in policy:
        block = policy.pop("result_storage")
        if isinstance(deployment, Mapping) and "result_storage_key_template" in deployment:
            deployment = {"result_storage_block": block, **deployment}
            message = "is read as `deployment.result_storage_block`"
        else:
            message = "is ignored: the flow run says itself where its results are"
        notes.append(_note((*location, "result_storage"), message))
    if isinstance(deployment, Mapping):
        for key in _OF_DEPLOYING:
            if key in deployment:
                message = "is ignored: the deployment in Prefect has its own"
                notes.append(_note((*location, "deployment", key), message))
        policy["deployment"] = {
            key: value for key, value in deployment.items() if key not in _OF_DEPLOYING
        }
    present["prefect"] = policy
    return Translation(present, tuple(notes))


def translated(manager: Mapping[str, Any], resources: Mapping[str, Any]) -> Translation:
    """Return `manager` and `resources`, the processes, in the present words.

    Args:
        manager: the `server.manager` section.
        resources: process id -> resource; all of `type: process`.
    """
    whole = translated_manager(manager)
    processes: dict[str, Any] = {}
    notes = list(whole.notes)
    for process_id, resource in resources.items():
        processor = resource.get("processor") if isinstance(resource, Mapping) else None
        if not isinstance(processor, Mapping):
            processes[process_id] = resource
            continue
        part = translated_processor(process_id, processor, modes_of(manager))
        notes += part.notes
        processes[process_id] = {**resource, "processor": part.section}
    return Translation({"manager": whole.section, "resources": processes}, tuple(notes))


def _note(location: tuple[object, ...], message: str) -> Fault:
    return Fault(pointer(*location), f"{message} (a key of the earlier plugin)")
