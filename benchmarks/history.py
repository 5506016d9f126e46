"""History: stores that have seen many jobs, made by multiplying real ones.

Each copy is a job of its own, with its own id, name, times and files; nothing else is changed,
so the rows are those that the software under test writes.
"""

import json
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import sqlalchemy as sa
import tinydb

_DAYS = 30
Row = dict[str, Any]


class Store(Protocol):
    """Where jobs are."""

    def fill(self, originals: Sequence[str], count: int) -> None:
        """Add copies of completed jobs, spread over the last weeks."""
        ...


class PrefectStore:
    """Flow runs with their states in Prefect's database, and result files if there are any."""

    def __init__(self, url: str, results: Path | None) -> None:
        self._url, self._results = url, results

    def fill(self, originals: Sequence[str], count: int) -> None:
        with _tables(self._url, "flow_run", "flow_run_state") as (connection, tables):
            runs_table, states_table = tables
            jobs = []
            for id_ in originals:
                (run,) = _rows(connection, runs_table, runs_table.c.id, id_)
                jobs.append((run, _rows(connection, states_table, states_table.c.flow_run_id, id_)))
            runs, states = [], []
            for number, (run, its_states) in enumerate(_in_turn(jobs, count)):
                ids = _new_ids([run["id"], run["idempotency_key"], *(s["id"] for s in its_states)])
                ago = _ago(number, count)
                copy = _copied(run, ids, ago) | {"name": f"{run['name']}-{uuid4().hex[:8]}"}
                runs.append(copy)
                states.extend(_copied(state, ids, ago) for state in its_states)
                if self._results:
                    self._copy_results(str(run["id"]), str(copy["id"]))
            current = [{"run": run["id"], "state": run.pop("state_id")} for run in runs]
            # Runs and states point at each other: runs first, their current states last.
            connection.execute(runs_table.insert(), [run | {"state_id": None} for run in runs])
            connection.execute(states_table.insert(), states)
            update = runs_table.update().where(runs_table.c.id == sa.bindparam("run"))
            connection.execute(update.values(state_id=sa.bindparam("state")), current)

    def _copy_results(self, old: str, new: str) -> None:
        assert self._results is not None
        target = self._results / new
        shutil.copytree(self._results / old, target)
        manifest = target / "manifest.json"
        manifest.write_text(manifest.read_text().replace(old, new))


class TableStore:
    """The table of pygeoapi's PostgreSQL manager."""

    def __init__(self, url: str) -> None:
        self._url = url

    def fill(self, originals: Sequence[str], count: int) -> None:
        with _tables(self._url, "jobs") as (connection, (table,)):
            jobs = [_rows(connection, table, table.c.identifier, id_)[0] for id_ in originals]
            connection.execute(table.insert(), list(_copies_with_files(jobs, count)))


class TinyStore:
    """The file of pygeoapi's TinyDB manager."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fill(self, originals: Sequence[str], count: int) -> None:
        with tinydb.TinyDB(self._path) as database:
            found = [database.search(tinydb.where("identifier") == id_)[0] for id_ in originals]
            database.insert_multiple(_copies_with_files([dict(job) for job in found], count))


def _copies_with_files(jobs: list[Row], count: int) -> Iterator[Row]:
    for number, job in enumerate(_in_turn(jobs, count)):
        copy = _copied(job, _new_ids([job["identifier"]]), _ago(number, count))
        copy["location"] = job["location"].replace(job["identifier"], copy["identifier"])
        shutil.copy(job["location"], copy["location"])
        yield copy


@contextmanager
def _tables(url: str, *names: str) -> Iterator[tuple[sa.Connection, list[sa.Table]]]:
    engine = sa.create_engine(url)
    try:
        with engine.begin() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", sa.exc.SAWarning)  # about indexes, which stay theirs
            metadata = sa.MetaData()
            yield connection, [sa.Table(name, metadata, autoload_with=engine) for name in names]
        if engine.dialect.name == "postgresql":
            with engine.begin() as connection:  # autovacuum would, within a minute
                connection.execute(sa.text("ANALYZE"))
    finally:
        engine.dispose()


def _rows(connection: sa.Connection, table: sa.Table, column: Any, value: str) -> list[Row]:
    wanted = sa.cast(column, sa.String) == value
    return [dict(row) for row in connection.execute(sa.select(table).where(wanted)).mappings()]


def _in_turn[T](items: Sequence[T], count: int) -> Iterator[T]:
    return (items[number % len(items)] for number in range(count))


def _ago(number: int, count: int) -> timedelta:
    return timedelta(days=_DAYS) * (count - number) / count


def _new_ids(old: list[Any]) -> dict[Any, Any]:
    return {id_: type(id_)(str(uuid4())) for id_ in old if id_ is not None}


def _copied(row: Row, ids: dict[Any, Any], ago: timedelta) -> Row:
    return {name: _value(name, value, ids, ago) for name, value in row.items()}


def _value(name: str, value: Any, ids: dict[Any, Any], ago: timedelta) -> Any:
    if isinstance(value, dict | list):
        text = json.dumps(value)
        for old, new in ids.items():
            text = text.replace(str(old), str(new))
        return json.loads(text)
    if isinstance(value, str | UUID) and value in ids:
        return ids[value]
    # SQLite has no durations: Prefect keeps this one as a moment after 1970.
    if isinstance(value, datetime) and name != "total_run_time":
        return value - ago
    if isinstance(value, str) and name in ("created", "started", "finished", "updated"):
        return f"{datetime.fromisoformat(value) - ago:%Y-%m-%dT%H:%M:%S.%fZ}"
    return value
