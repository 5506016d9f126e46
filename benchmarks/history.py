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
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
import tinydb

_PAST = timedelta(days=30)
Row = dict[str, Any]


def fill_prefect(url: str, results: Path | None, originals: Sequence[str], count: int) -> None:
    """Add flow runs with their states to Prefect's database, and files if runs have results."""
    with _tables(url, "flow_run", "flow_run_state") as (connection, (runs_table, states_table)):
        jobs = []
        for id_ in originals:
            (run,) = _rows(connection, runs_table, "id", id_)
            jobs.append((run, _rows(connection, states_table, "flow_run_id", id_)))
        runs, states, current = [], [], []
        for number, (run, its_states) in enumerate(islice(cycle(jobs), count)):
            ids = _new_ids([run["id"], run["idempotency_key"], *(s["id"] for s in its_states)])
            ago = _PAST * (count - number) / count
            copy = _copied(run, ids, ago) | {"name": f"{run['name']}-{number}"}
            # Runs and states point at each other: runs go first, their current states last.
            current.append({"run": copy["id"], "state": copy["state_id"]})
            runs.append(copy | {"state_id": None})
            states += [_copied(state, ids, ago) for state in its_states]
            if results:
                _copy_results(results, str(run["id"]), str(copy["id"]))
        connection.execute(runs_table.insert(), runs)
        connection.execute(states_table.insert(), states)
        update = runs_table.update().where(runs_table.c.id == sa.bindparam("run"))
        connection.execute(update.values(state_id=sa.bindparam("state")), current)


def fill_table(url: str, originals: Sequence[str], count: int) -> None:
    """Add jobs to the table of pygeoapi's PostgreSQL manager."""
    with _tables(url, "jobs") as (connection, (table,)):
        jobs = [_rows(connection, table, "identifier", id_)[0] for id_ in originals]
        connection.execute(table.insert(), list(_copies_with_files(jobs, count)))


def fill_tinydb(path: Path, originals: Sequence[str], count: int) -> None:
    """Add jobs to the file of pygeoapi's TinyDB manager."""
    with tinydb.TinyDB(path) as database:
        jobs = [dict(job) for job in database.all() if job["identifier"] in originals]
        database.insert_multiple(_copies_with_files(jobs, count))


def _copies_with_files(jobs: Sequence[Row], count: int) -> Iterator[Row]:
    for number, job in enumerate(islice(cycle(jobs), count)):
        copy = _copied(job, _new_ids([job["identifier"]]), _PAST * (count - number) / count)
        copy["location"] = job["location"].replace(job["identifier"], copy["identifier"])
        shutil.copy(job["location"], copy["location"])
        yield copy


def _copy_results(results: Path, old: str, new: str) -> None:
    manifest = shutil.copytree(results / old, results / new) / "manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new))


@contextmanager
def _tables(url: str, *names: str) -> Iterator[tuple[sa.Connection, list[sa.Table]]]:
    engine, metadata = sa.create_engine(url), sa.MetaData()
    try:
        with engine.begin() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore", sa.exc.SAWarning)  # about indexes, which stay theirs
            yield connection, [sa.Table(name, metadata, autoload_with=engine) for name in names]
        # What a database does by itself while it grows, but not at once after a row of inserts.
        tidy = {"postgresql": "VACUUM ANALYZE", "sqlite": "PRAGMA wal_checkpoint(TRUNCATE)"}
        with engine.connect() as connection:
            autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
            autocommit.execute(sa.text(tidy[engine.dialect.name]))
    finally:
        engine.dispose()


def _rows(connection: sa.Connection, table: sa.Table, column: str, value: str) -> list[Row]:
    wanted = sa.cast(table.c[column], sa.String) == value
    return [dict(row) for row in connection.execute(sa.select(table).where(wanted)).mappings()]


def _new_ids(old: Sequence[Any]) -> dict[Any, Any]:
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
