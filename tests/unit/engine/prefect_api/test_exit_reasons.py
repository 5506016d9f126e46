"""What is said of a job whose process ended without a word."""

import signal

import pytest

from pygeoapi_prefect.engine.prefect_api.exit_reasons import in_words, reason_of


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_a_process_that_exited_is_told_with_its_code(code: int) -> None:
    assert reason_of(code, out_of_memory=True).endswith(f"exit code {code}.")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_process_that_was_killed_is_told_with_the_name_of_the_signal(
    number: signal.Signals,
) -> None:
    assert reason_of(-number, out_of_memory=False) == (
        f"The job's process was killed by {number.name}."
    )


def test_a_signal_without_a_name_is_told_by_its_number() -> None:
    assert "signal 40" in reason_of(-40, out_of_memory=False)


def test_a_process_that_took_too_much_memory_is_told_so() -> None:
    assert "out of memory" in reason_of(-signal.SIGKILL, out_of_memory=True)


def test_a_process_that_crashed_while_memory_was_short_crashed() -> None:
    assert "out of memory" not in reason_of(-signal.SIGSEGV, out_of_memory=True)


@pytest.mark.parametrize("code", [-9, 137])
@pytest.mark.parametrize(
    "sentence",
    [
        "Process exited with status code: {}.",
        "Flow run infrastructure exited with non-zero status code {}.",
    ],
)
def test_what_prefect_says_of_a_killed_process_is_said_in_our_words(
    sentence: str, code: int
) -> None:
    told = in_words(sentence.format(code) + " Typically caused by this or that.")
    assert told == (
        "The job's process was killed by SIGKILL: by hand, or because it needed more memory than "
        "it may have."
    )


def test_an_exit_code_that_prefect_tells_is_told_with_where_to_look() -> None:
    told = in_words("Process exited with status code: 3. Process exited with an unexpected one.")
    assert told == (
        "The job's process ended unexpectedly with exit code 3; the log of its flow run in Prefect "
        "may say why."
    )


def test_a_process_that_was_stopped_is_told_with_the_name_of_the_signal() -> None:
    told = in_words("Flow run infrastructure exited with non-zero status code 143. And so on.")
    assert told == "The job's process was killed by SIGTERM."


@pytest.mark.parametrize(
    "sentence", ["Failed to submit flow run to infrastructure: {}", "Flow run could not start: {}"]
)
def test_why_a_job_could_not_be_started_is_said_in_prefect_s_words(sentence: str) -> None:
    told = in_words(sentence.format("ImageNotFound: no such image:\nmine"))
    assert told == "The job could not be started: ImageNotFound: no such image:\nmine"


@pytest.mark.parametrize("message", ["no such band", "exited with status code 3", ""])
def test_what_others_say_of_the_end_of_a_job_stays_as_it_is(message: str) -> None:
    assert in_words(message) == message
