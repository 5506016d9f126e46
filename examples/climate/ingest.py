"""Fetches monthly winds from an archive, file by file, and goes on where it was."""

import hashlib
import os
from pathlib import Path
from typing import Annotated, TypedDict

import httpx
from pydantic import Field

ARCHIVE = os.environ.get("CLIMATE_ARCHIVE", "http://127.0.0.1:8437")
BYTES_OF_A_MONTH = 2_040
DATASETS = Path(os.environ.get("CLIMATE_DATASETS", "demo-output/climate/datasets"))


class Ingested(TypedDict):
    """What was fetched."""

    dataset_id: Annotated[str, Field(description="Which dataset it is now in.")]
    months: Annotated[int, Field(description="How many monthly files that has.")]


def run(
    dataset: Annotated[str, Field(pattern="^[a-z0-9-]+$")] = "pacific-winds",
    archive: str = ARCHIVE,
    datasets: Path = DATASETS,
    on_progress=lambda done, total, message: None,
    load_checkpoint=lambda: None,
    save_checkpoint=lambda value: None,
) -> Ingested:
    """Fetch monthly winds over the Pacific.

    Each file is fetched once. One that is there from before is only fetched if the archive has
    another by now.

    Args:
        dataset: The name of the dataset that the files are put into.
        archive: The address of the archive.
        datasets: The folder of all datasets.
    """
    folder = datasets / dataset
    folder.mkdir(parents=True, exist_ok=True)
    with httpx.Client(base_url=archive, timeout=30) as client:
        names = client.get("files.txt").raise_for_status().text.split()
        fetched = load_checkpoint() or []
        done = [name for name in names if name in fetched and (folder / name).exists()]
        on_progress(len(done), len(names), f"{len(done)} of {len(names)} months are there")
        for name in [name for name in names if name not in done]:
            fetch(client, name, folder / name)
            done.append(name)
            save_checkpoint(done)
            on_progress(len(done), len(names), f"Month {len(done)} of {len(names)}: {name}")
    return {"dataset_id": dataset, "months": len(names)}


def takes(
    dataset: str = "pacific-winds", archive: str = ARCHIVE, datasets: Path = DATASETS
) -> dict[str, float]:
    """Say what fetching the files that are not there yet would take.

    Args:
        dataset: The name of the dataset.
        archive: The address of the archive.
        datasets: The folder of all datasets.
    """
    names = httpx.get(f"{archive}/files.txt", timeout=5).raise_for_status().text.split()
    steps = sum(not (datasets / dataset / name).exists() for name in names)
    return {"steps": steps, "bytes": steps * BYTES_OF_A_MONTH}


def fetch(client: httpx.Client, name: str, path: Path) -> None:
    """Fetch a file, unless the one that is there is still right.

    Args:
        client: of the archive, whose ETags are the SHA-256 of its files.
        name: of the file in the archive.
        path: where it goes.
    """
    known = {}
    if path.exists():
        known["If-None-Match"] = f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"'
    answer = client.get(name, headers=known)
    if answer.status_code == httpx.codes.NOT_MODIFIED:
        return
    answer.raise_for_status()
    part = path.with_suffix(".part")
    part.write_bytes(answer.content)
    part.replace(path)  # it is there as a whole, or not at all
