"""What a deployed flow returned: read from where Prefect keeps it, and made results of the job.

Prefect writes what a flow returns to storage and says in the run's state where and how. The format
is Prefect's (`prefect.results`, `prefect.serializers`); it is read without Prefect, whose import
costs a web process seconds.
"""

import base64
import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from pygeoapi_prefect.config.manager_settings import ManagerSettings
from pygeoapi_prefect.config.process_settings import DeploymentPolicy, DeploymentReference
from pygeoapi_prefect.engine.foreign_flows.restoring import Restorer
from pygeoapi_prefect.engine.foreign_flows.returned_files import ReturnedFiles
from pygeoapi_prefect.engine.prefect_api.blocks import location_of
from pygeoapi_prefect.engine.prefect_api.models import FlowRun
from pygeoapi_prefect.engine.prefect_api.port import Gateway
from pygeoapi_prefect.errors import ProcessorFailed, ResultMissing
from pygeoapi_prefect.results.collector import Collector
from pygeoapi_prefect.results.files import Files, local_folder
from pygeoapi_prefect.results.returned import typed
from pygeoapi_prefect.results.storage import RETURNED

# The words of Prefect that say what to do are about other uses of it than ours.
_ADVICE_OF_PREFECT = " You can try"
_MAX_QUOTED = 500
# Prefect sends what is logged every two seconds, and what is left when the process ends.
_LOG_ARRIVES_WITHIN = timedelta(seconds=4)
_DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "lzma": lzma.decompress,
    "gzip": gzip.decompress,
    "bz2": bz2.decompress,
    "zlib": zlib.decompress,
}


def read_returned(
    gateway: Gateway, run: FlowRun, policy: DeploymentPolicy, settings: ManagerSettings
) -> Any:
    """Return what the flow of a completed run returned.

    Args:
        gateway: to Prefect.
        run: the run.
        policy: of its process.
        settings: of the manager.

    Raises:
        ResultMissing: it is not to be had; the message says why, and what to do.
        StorageUnavailable: where it is does not answer.
        PrefectUnavailable: Prefect does not answer.
    """
    files, key = _whereabouts(gateway, run, policy.deployment, settings)
    try:
        content = files.read_file(key)
    except FileNotFoundError:
        raise _not_kept(gateway, run, files, key) from None
    serializer = _details(run).get("serializer") or {"type": "pickle"}
    content, serializer = _unpacked(content, serializer)
    return _decoded(content, serializer, run, policy)


def flow_folders(
    gateway: Gateway, run: FlowRun, policy: DeploymentPolicy, settings: ManagerSettings
) -> list[Path]:
    """Return the folders on this machine that are the storage of a run's flow.

    Args:
        gateway: to Prefect.
        run: the run, completed.
        policy: of its process.
        settings: of the manager.

    Raises:
        ResultMissing: it is not known where that storage is.
        StorageUnavailable: the same.
        PrefectUnavailable: Prefect does not answer.
    """
    files, _ = _whereabouts(gateway, run, policy.deployment, settings)
    ours = None if settings.results_block else local_folder(settings.results_url)
    folders = [local_folder(files.url), ours and f"{ours}/{RETURNED}"]
    return [Path(folder) for folder in folders if folder]


def collect(
    collector: Collector, value: Any, token: str | None, restorer: Restorer | None = None
) -> None:
    """Make outputs of what a flow returned.

    A pair (media type, value) is one output of that type; an object whose members are declared
    outputs is several; anything else is one output.

    Args:
        collector: takes the outputs.
        value: as it was returned, or as JSON made of it.
        token: of the run; None if it was not made here.
        restorer: makes of it what the flow returned; None = one that finds no files.

    Raises:
        ResultMissing: what the flow returned is no result; the message says what it is.
        StorageUnavailable: storage cannot be written or read.
        PrefectUnavailable: Prefect does not answer.
    """
    restorer = restorer or Restorer(token, ReturnedFiles())
    value = restorer.restore(value)
    if isinstance(value, dict):
        value = {name: _paired(each) for name, each in value.items()}
    try:
        collector.take_returned(None, _paired(value))
    except ProcessorFailed as error:
        raise ResultMissing(
            f"The flow returned what is no result: {error}. The outputs of a deployed flow are "
            "described in `metadata.outputs` of its process."
        ) from error


def _details(run: FlowRun) -> Mapping[str, Any]:
    """Return what the run's state says of its result."""
    return run.state.data if run.state and isinstance(run.state.data, Mapping) else {}


def _whereabouts(
    gateway: Gateway,
    run: FlowRun,
    deployment: DeploymentReference | None,
    settings: ManagerSettings,
) -> tuple[Files, str]:
    """Return the files and the key under which Prefect put what a run returned."""
    details = _details(run)
    template = deployment.result_storage_key_template if deployment else None
    if deployment and deployment.result_storage_block and template:
        files = _files_of(gateway, deployment.result_storage_block, settings)
        return files, _key_of(template, run)
    if details.get("storage_key"):
        key = str(details["storage_key"])
        if block_id := details.get("storage_block_id"):
            files = _files_of(gateway, str(block_id), settings)
        else:
            path = Path(key)
            files, key = Files(str(path.parent), is_guest=True), path.name
        return files, _key_of(template, run) if template else key
    raise ResultMissing(
        "The flow completed, but Prefect did not keep what it returned. Flows on a work pool are "
        "told to by this service; one that is served (`flow.serve`), or says "
        "`persist_result=False`, has to say `persist_result=True` and `result_serializer='json'`."
    )


def _key_of(template: str, run: FlowRun) -> str:
    """Return the key that a template of the older convention stands for."""
    parameters = dict(run.parameters)
    key = template.format(
        parameters=parameters,
        job_id=parameters.get("pygeoapi_job_id", run.id),
        processor_id=parameters.get("processor_id", ""),
    )
    # A template may name inputs, which are a client's.
    if ".." in key.split("/"):
        raise ResultMissing("The key of the flow's result leads out of its storage.")
    return key


def _files_of(gateway: Gateway, block: str, settings: ManagerSettings) -> Files:
    location = location_of(gateway.read_block(block))
    ours = settings.result_storage_options
    if ours and location.url.startswith(settings.results_url):
        # The block that `deploy` makes holds no secrets.
        return Files(location.url, {**ours.get_secret_value(), **location.options}, is_guest=True)
    return Files(location.url, location.options, is_guest=True)


def _unpacked(content: bytes, serializer: Mapping[str, Any]) -> tuple[bytes, Mapping[str, Any]]:
    """Return the result itself of what may be a whole record with its metadata."""
    if content[:1] == b"{":
        try:
            record = json.loads(content)
        except ValueError:
            return content, serializer
        metadata = record.get("metadata")
        if record.keys() == {"metadata", "result"} and isinstance(metadata, Mapping):
            if "serializer" in metadata and "prefect_version" in metadata:
                return str(record["result"]).encode(), metadata["serializer"]
    return content, serializer


def _decoded(
    content: bytes, serializer: Mapping[str, Any], run: FlowRun, policy: DeploymentPolicy
) -> Any:
    kind = str(serializer.get("type"))
    if kind.startswith("compressed"):
        library = str(serializer.get("compressionlib", "lzma"))
        inner = serializer.get("serializer") or {"type": kind.partition("/")[2]}
        if library in _DECOMPRESS and inner.get("type"):
            plain = _DECOMPRESS[library](base64.decodebytes(content))
            return _decoded(plain, inner, run, policy)
    if kind == "json":
        return json.loads(content)
    if kind == "pickle":
        if not policy.allow_pickle:
            raise ResultMissing(
                "The flow's result is pickled, and reading a pickle runs whatever is in it. Give "
                "the flow `result_serializer='json'`, or, if everybody who can write to its "
                "storage is trusted, set `allow_pickle: true` for this process."
            )
        return _unpickled(content)
    raise ResultMissing(
        f"The flow's result was written by the serializer {kind!r}, which is not known here; "
        "give the flow `result_serializer='json'`."
    )


def _unpickled(content: bytes) -> Any:
    import cloudpickle  # only for those who allow it

    try:
        return cloudpickle.loads(base64.decodebytes(content))
    except Exception as error:  # whatever the classes in it raise
        raise ResultMissing(
            f"The flow's result cannot be unpickled here: {type(error).__name__}: {error}",
            for_client="The flow's result cannot be unpickled by this service.",
        ) from error


def _not_kept(gateway: Gateway, run: FlowRun, files: Files, key: str) -> ResultMissing:
    """Return an error that says why what a run returned is not where its state says, in words."""
    if said := _said_of_result(gateway, run):
        quoted = said[-1].partition(_ADVICE_OF_PREFECT)[0][:_MAX_QUOTED]
        return ResultMissing(
            f"The flow completed, but what it returned was not kept. Its log says: {quoted} "
            "Return what JSON can hold, or a text with its media type, such as "
            "`('text/csv', frame.to_csv())`; bytes, files, and objects that libraries write, such "
            "as datasets and figures, need `from pygeoapi_prefect import job` in the flow's module."
        )
    serializer = str((_details(run).get("serializer") or {}).get("type") or "unknown")
    return ResultMissing(
        f"The flow completed, but what it returned is not at {key} in {files.shown_url}, where "
        f"Prefect's serializer {serializer!r} was to write it, and its log does not say why. It "
        "may have run on a machine that does not share this storage, or it returned something "
        "that the serializer cannot write (bytes need `from pygeoapi_prefect import job` in the "
        "flow's module).",
        for_client="The flow completed, but what it returned is not where it was to be written.",
    )


def _said_of_result(gateway: Gateway, run: FlowRun) -> list[str]:
    """Return what a run's log says of its result; waited for if the run has only just ended."""

    def read() -> list[str]:
        # Whatever else a flow warns of is not about its result.
        log = gateway.read_warnings(run.id)
        return [line for line in log if "persist" in line or "serializ" in line]

    ended = run.state.timestamp if run.state else datetime.min.replace(tzinfo=UTC)
    still = _LOG_ARRIVES_WITHIN - (datetime.now(UTC) - ended)
    # Clocks need not agree.
    seconds = min(still, _LOG_ARRIVES_WITHIN).total_seconds()
    return Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.3),
        retry=retry_if_result(lambda said: not said),
        retry_error_callback=lambda state: [],
    )(read)


def _paired(value: Any) -> Any:
    """Return a pair of a media type and a value as a tuple, which JSON and Prefect do not know."""
    pair = tuple(value) if isinstance(value, list) else value
    return pair if typed(pair)[0] else value
