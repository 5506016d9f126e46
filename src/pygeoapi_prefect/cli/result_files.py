"""Results of jobs in files, one for each output."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from pygeoapi_prefect.cli.results import pieces_of
from pygeoapi_prefect.ogc.job import Job, JobOutput
from pygeoapi_prefect.results.media_types import suffix_of
from pygeoapi_prefect.service.processes import ProcessService

_MAX_NAME = 100
_PART = ".part"


def write_files(
    service: ProcessService, job: Job, outputs: Sequence[JobOutput], folder: Path
) -> list[tuple[JobOutput, Path]]:
    """Write a file for each output; what is there already stays as it is.

    Args:
        service: has the job.
        job: it.
        outputs: of the job.
        folder: where to; it is made if it is not there.

    Returns:
        Each output with its file.

    Raises:
        click.ClickException: there is such a file already, or none can be written.
        ResultMissing: an output is gone.
        PrefectUnavailable: Prefect does not answer.
        StorageUnavailable: result storage does not answer.
    """
    files = [(output, folder / name) for output, name in _named(outputs)]
    for _, file in files:
        if file.exists():
            raise click.ClickException(
                f"{file} is there already; move it away, or name another folder with --to"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for output, file in files:
            _write(service, job, output, file)
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {error.strerror}") from None
    return files


def _write(service: ProcessService, job: Job, output: JobOutput, file: Path) -> None:
    """Write one output: all of it, or nothing that looks like it."""
    part = file.with_name(file.name + _PART)
    try:
        with part.open("wb") as opened:
            for piece in pieces_of(service.results(job.id, output.id)):
                opened.write(piece)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _named(outputs: Sequence[JobOutput]) -> list[tuple[JobOutput, str]]:
    """Return each output with a name for its file that no other one has."""
    named: dict[str, tuple[JobOutput, str]] = {}
    for output in outputs:
        suffix = suffix_of(output.media_type)
        # Of a path only its end would be a name, and a dot at the beginning would hide it.
        stem = re.sub(r"[^\w.-]+", "_", output.id)[:_MAX_NAME].lstrip(".") or "output"
        stem = stem.removesuffix(suffix)
        name, number = stem + suffix, 1
        # Some file systems take capital letters for small ones.
        while name.casefold() in named:
            number += 1
            name = f"{stem}-{number}{suffix}"
        named[name.casefold()] = output, name
    return list(named.values())
