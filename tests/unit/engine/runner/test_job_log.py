"""What of the things that a job says is kept, at which level, and in which bounds."""

import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pygeoapi_prefect.engine.runner import job_log
from pygeoapi_prefect.engine.runner.job_log import (
    MAX_CHARACTERS,
    MAX_LAST_RECORDS,
    MAX_MESSAGE,
    MAX_RECORDS,
    JobLog,
    Record,
    recording,
)

LOGGER = logging.getLogger("my_package.my_processor")

# What Prefect's loggers add to their records.
RUN = {"flow_run_name": "run", "task_run_name": "task"}


class Kept:
    """Takes what is kept."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.count = 0

    def log(self, record: Record) -> None:
        self.records.append(record.as_prefect_takes_it())

    def left_out(self, count: int) -> None:
        self.count = count

    def flush(self) -> None:
        pass

    @property
    def lines(self) -> list[str]:
        return [record["message"] for record in self.records]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@contextmanager
def recorded(kept: Kept, level: int = logging.INFO) -> Iterator[JobLog]:
    log = JobLog("run", kept)
    with recording(log, level):
        yield log
    log.close()


def test_printed_lines_are_kept_whatever_the_level_is(kept: Kept) -> None:
    with recorded(kept, logging.CRITICAL):
        print("one")
        print("two", 2, sep="-")
        print("to stderr", file=sys.stderr)
        sys.stdout.write("written\n")
    assert kept.lines == ["one", "two-2", "to stderr", "written"]
    assert {record["level"] for record in kept.records} == {logging.INFO}


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (logging.ERROR, ["error"]),
        (logging.WARNING, ["warning", "error"]),
        (logging.DEBUG, ["debug", "info", "warning", "error"]),
    ],
)
def test_what_is_logged_is_kept_from_the_level_of_the_site_on(
    kept: Kept, level: int, expected: list[str]
) -> None:
    with recorded(kept, level):
        for name in ("debug", "info", "warning", "error"):
            getattr(LOGGER, name)(name)
    assert kept.lines == expected


@pytest.mark.parametrize("name", job_log.RUN_LOGGERS)
def test_the_level_of_the_site_is_that_of_the_run_s_logger_too(kept: Kept, name: str) -> None:
    with recorded(kept, logging.ERROR):
        logging.getLogger(name).info("below", extra=RUN)
        logging.getLogger(name).error("above", extra=RUN)
    assert kept.lines == ["above"]


def test_a_record_of_a_task_names_it(kept: Kept) -> None:
    with recorded(kept):
        logging.getLogger("prefect.task_runs").error("in a task", extra={**RUN, "task_run_id": "t"})
    assert (kept.records[0]["task_run_id"], kept.records[0]["flow_run_id"]) == ("t", "run")


@pytest.mark.parametrize("name", ["httpx", "prefect.client", "pygeoapi_prefect.engine.storage"])
def test_the_chatter_of_what_runs_the_job_is_not_the_job_s(kept: Kept, name: str) -> None:
    with recorded(kept):
        logging.getLogger(name).error("our business")
        logging.getLogger("prefect_of_a_user").error("theirs")
    assert kept.lines == ["theirs"]


def test_a_traceback_is_kept_with_its_record(kept: Kept) -> None:
    with recorded(kept):
        try:
            raise KeyError("river")
        except KeyError:
            LOGGER.exception("it failed")
    assert "it failed" in kept.lines[0] and "KeyError: 'river'" in kept.lines[0]


def test_lines_of_several_threads_do_not_mix(kept: Kept) -> None:
    begun = threading.Event()

    def print_in_between() -> None:
        print("from a thread")
        begun.set()

    with recorded(kept):
        print("begun, ", end="")
        thread = threading.Thread(target=print_in_between)
        thread.start()
        thread.join()
        print("ended")
    assert begun.is_set() and kept.lines == ["from a thread", "begun, ended"]


def test_a_line_without_an_end_is_kept_at_the_end(kept: Kept) -> None:
    with recorded(kept):
        print("no end", end="")
    assert kept.lines == ["no end"]


def test_of_a_progress_bar_its_last_form_is_kept(kept: Kept) -> None:
    with recorded(kept):
        for percent in (0, 50, 100):
            print(f"\r{percent} %", end="")
        print()
        print("with a carriage return", end="\r\n")
    assert kept.lines == ["100 %", "with a carriage return"]


def test_text_that_nothing_can_hold_costs_no_other_line(kept: Kept) -> None:
    with recorded(kept):
        print("a \udcff and a \0")
        print("after it")
    assert kept.lines == [r"a \udcff and a \x00", "after it"]


@pytest.mark.parametrize("say", [print, LOGGER.error])
def test_a_long_message_is_kept_whole_in_pieces(kept: Kept, say: Callable[[str], None]) -> None:
    text = "".join(str(number) for number in range(40_000))
    with recorded(kept):
        say(text)
    assert "".join(kept.lines) == text
    assert max(map(len, kept.lines)) == MAX_MESSAGE


def test_a_message_without_end_is_bounded_like_many(kept: Kept) -> None:
    with recorded(kept):
        LOGGER.error("x" * 4 * MAX_CHARACTERS)
    assert MAX_CHARACTERS <= sum(map(len, kept.lines)) <= 2 * MAX_CHARACTERS
    assert kept.count > 0


def test_a_record_that_cannot_be_formatted_does_not_stop_the_job(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with recorded(kept):
        LOGGER.error("%d", "no number")
        LOGGER.error("next")
    assert kept.lines == ["next"]


def test_a_job_keeps_its_first_lines_and_its_last_and_says_how_many_are_missing(
    kept: Kept,
) -> None:
    more = 50
    with recorded(kept):
        for number in range(MAX_RECORDS + MAX_LAST_RECORDS + more):
            print(number)
    last = MAX_RECORDS + MAX_LAST_RECORDS + more - 1
    assert len(kept.lines) == MAX_RECORDS + MAX_LAST_RECORDS
    assert (kept.lines[MAX_RECORDS - 1], kept.lines[-1]) == (str(MAX_RECORDS - 1), str(last))
    assert kept.count == more
    assert f"{more} more lines" in job_log.about_left_out(kept.count, "run").message


def test_as_many_lines_as_are_kept_lack_nothing(kept: Kept) -> None:
    with recorded(kept):
        for number in range(MAX_RECORDS + MAX_LAST_RECORDS):
            print(number)
    assert (len(kept.lines), kept.count) == (MAX_RECORDS + MAX_LAST_RECORDS, 0)


def test_long_lines_are_bounded_by_their_characters(kept: Kept) -> None:
    lines = MAX_CHARACTERS // MAX_MESSAGE + MAX_LAST_RECORDS + 3
    with recorded(kept):
        for _ in range(lines):
            print("x" * MAX_MESSAGE)
    assert (len(kept.lines), kept.count) == (lines - 3, 3)


def test_what_the_engine_tells_is_kept_at_any_level(kept: Kept) -> None:
    with recorded(kept, logging.CRITICAL) as log:
        log.tell("the job waits")
    assert kept.lines == ["the job waits"]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.ERROR, logging.CRITICAL])
def test_what_became_of_a_result_is_kept_at_any_level(kept: Kept, level: int) -> None:
    with recorded(kept, level):
        logging.getLogger("pygeoapi_prefect.results.collector").warning("NaN became null")
    assert kept.lines == ["NaN became null"]


def test_afterwards_everything_is_as_before(kept: Kept) -> None:
    root, our_own = logging.getLogger(), logging.getLogger("pygeoapi_prefect")
    before = (sys.stdout, sys.stderr, root.level, list(root.handlers), our_own.level)
    with recorded(kept, logging.DEBUG):
        pass
    after = (sys.stdout, sys.stderr, root.level, list(root.handlers), our_own.level)
    assert after == before


def test_programs_and_bytes_go_where_the_stream_would_have_led(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull, "w", encoding="ascii") as original:
        monkeypatch.setattr(sys, "stdout", original)
        with recorded(kept):
            assert sys.stdout.fileno() == original.fileno()
            assert sys.stdout.buffer is original.buffer
            sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
            assert isinstance(sys.stdout, io.TextIOBase) and sys.stdout.writable()
