"""What a client or an operator reads when something goes wrong."""

import re
from http import HTTPStatus

import pytest

from pygeoapi_prefect import errors
from pygeoapi_prefect.errors import Fault
from pygeoapi_prefect.ogc.problems import problem_of

FAULTS = [Fault("/inputs/a", "is missing"), Fault("/inputs/b/0", "is too small")]

EXAMPLES: dict[type[errors.PygeoapiPrefectError], errors.PygeoapiPrefectError] = {
    errors.PygeoapiPrefectError: errors.PygeoapiPrefectError("text"),
    errors.ConfigurationError: errors.ConfigurationError("config.yml", FAULTS),
    errors.RequestError: errors.RequestError("text"),
    errors.InvalidInputs: errors.InvalidInputs(FAULTS),
    errors.InvalidRequest: errors.InvalidRequest("text"),
    errors.UnsupportedBody: errors.UnsupportedBody("text"),
    errors.BodyTooLarge: errors.BodyTooLarge(1 << 20),
    errors.BodyTooSlow: errors.BodyTooSlow(),
    errors.ProcessNotFound: errors.ProcessNotFound("ndvi"),
    errors.JobNotFound: errors.JobNotFound("4711"),
    errors.OutputNotFound: errors.OutputNotFound("4711", "map"),
    errors.ResultError: errors.ResultError("text"),
    errors.ResultNotReady: errors.ResultNotReady("text"),
    errors.JobDismissed: errors.JobDismissed("text"),
    errors.JobFailed: errors.JobFailed("text"),
    errors.JobUnserved: errors.JobUnserved("4711", "text"),
    errors.ResultMissing: errors.ResultMissing("text"),
    errors.Unavailable: errors.Unavailable("text"),
    errors.QueueFull: errors.QueueFull("text"),
    errors.NoFreeSlot: errors.NoFreeSlot("text"),
    errors.TooManyBodies: errors.TooManyBodies(),
    errors.TooManyListeners: errors.TooManyListeners(),
    errors.NotAcceptable: errors.NotAcceptable("map", ["image/png"]),
    errors.RangeNotSatisfiable: errors.RangeNotSatisfiable("map", 1024),
    errors.TooManyChecks: errors.TooManyChecks(),
    errors.PrefectUnavailable: errors.PrefectUnavailable("text"),
    errors.DeploymentNotReady: errors.DeploymentNotReady("text"),
    errors.StorageUnavailable: errors.StorageUnavailable("text"),
    errors.UntrustedPlace: errors.UntrustedPlace("text"),
    errors.FolderOfAnother: errors.FolderOfAnother("text"),
    errors.DeploymentMissing: errors.DeploymentMissing("text"),
    errors.DeploymentRefused: errors.DeploymentRefused("text"),
    errors.ProcessorUnusable: errors.ProcessorUnusable("text"),
    errors.ProcessorFailed: errors.ProcessorFailed("text"),
    errors.EstimateFailed: errors.EstimateFailed("text"),
    errors.InputUnavailable: errors.InputUnavailable("/inputs/x: https://example.org answered 503"),
    errors.ChainBroken: errors.ChainBroken("text"),
}

# The bases nobody raises are left to the rows of their children.
ANSWERS = {
    errors.PygeoapiPrefectError: (500, "NoApplicableCode"),
    errors.ConfigurationError: (500, "NoApplicableCode"),
    errors.InvalidInputs: (400, "InvalidParameterValue"),
    errors.InvalidRequest: (400, "InvalidParameterValue"),
    errors.UnsupportedBody: (415, "InvalidParameterValue"),
    errors.BodyTooLarge: (413, "InvalidParameterValue"),
    errors.BodyTooSlow: (408, "InvalidParameterValue"),
    errors.ProcessNotFound: (404, "NoSuchProcess"),
    errors.JobNotFound: (404, "NoSuchJob"),
    errors.OutputNotFound: (404, "NoSuchOutput"),
    errors.ResultNotReady: (404, "ResultNotReady"),
    errors.JobDismissed: (404, "JobDismissed"),
    errors.JobFailed: (400, "InvalidParameterValue"),
    errors.JobUnserved: (500, "NoApplicableCode"),
    errors.ResultMissing: (500, "JobResultNotFound"),
    errors.Unavailable: (503, "ServiceUnavailable"),
    errors.QueueFull: (503, "ServiceUnavailable"),
    errors.NoFreeSlot: (503, "ServiceUnavailable"),
    errors.TooManyBodies: (503, "ServiceUnavailable"),
    errors.TooManyListeners: (503, "ServiceUnavailable"),
    errors.NotAcceptable: (406, "NotAcceptable"),
    errors.RangeNotSatisfiable: (416, "RangeNotSatisfiable"),
    errors.TooManyChecks: (503, "ServiceUnavailable"),
    errors.PrefectUnavailable: (503, "ServiceUnavailable"),
    errors.DeploymentNotReady: (503, "ServiceUnavailable"),
    errors.StorageUnavailable: (503, "ServiceUnavailable"),
    errors.UntrustedPlace: (503, "ServiceUnavailable"),
    errors.FolderOfAnother: (503, "ServiceUnavailable"),
    errors.DeploymentMissing: (500, "NoApplicableCode"),
    errors.DeploymentRefused: (500, "NoApplicableCode"),
    errors.ProcessorUnusable: (503, "ServiceUnavailable"),
    errors.ProcessorFailed: (500, "NoApplicableCode"),
    errors.EstimateFailed: (500, "NoApplicableCode"),
    errors.InputUnavailable: (500, "NoApplicableCode"),
    errors.ChainBroken: (500, "NoApplicableCode"),
}
BASES = {errors.RequestError, errors.ResultError}


def classes() -> list[type[errors.PygeoapiPrefectError]]:
    def below(
        base: type[errors.PygeoapiPrefectError],
    ) -> list[type[errors.PygeoapiPrefectError]]:
        found = [base]
        for child in base.__subclasses__():
            if child.__module__ == errors.__name__:
                found.extend(below(child))
        return found

    return below(errors.PygeoapiPrefectError)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)([A-Z]\w+)(  |$)", line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else None
    real = {
        each.__name__: None if each is errors.PygeoapiPrefectError else each.__bases__[0].__name__
        for each in classes()
    }
    assert drawn == real


def test_every_error_has_an_answer_that_was_decided_on() -> None:
    assert set(classes()) == set(ANSWERS) | BASES == set(EXAMPLES)


@pytest.mark.parametrize("error_class", ANSWERS, ids=lambda each: each.__name__)
def test_an_error_is_answered_with_its_status_and_code(
    error_class: type[errors.PygeoapiPrefectError],
) -> None:
    problem = problem_of(EXAMPLES[error_class])
    assert (problem.status, problem.code) == ANSWERS[error_class]


@pytest.mark.parametrize("error", EXAMPLES.values(), ids=lambda each: type(each).__name__)
def test_a_client_reads_what_is_meant_for_it(error: errors.PygeoapiPrefectError) -> None:
    assert problem_of(error).description == error.for_client != ""


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigurationError("/etc/maps.yml", FAULTS),
        errors.PrefectUnavailable("http://10.0.0.7:4200/api"),
        errors.StorageUnavailable("/srv/results"),
        errors.UntrustedPlace("/tmp/state"),
        errors.FolderOfAnother("/tmp/state"),
        errors.ProcessorUnusable("/usr/lib/python3"),
        errors.DeploymentRefused("http://10.0.0.7:4200/api"),
        errors.JobUnserved("4711", "/srv/results"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_no_folder_and_no_address_is_meant_for_clients(
    error: errors.PygeoapiPrefectError,
) -> None:
    assert "/" not in error.for_client and error.is_trouble_of_service


@pytest.mark.parametrize("error", EXAMPLES.values(), ids=lambda each: type(each).__name__)
def test_an_error_of_a_kind_we_add_later_is_answered_like_its_kind(
    error: errors.PygeoapiPrefectError,
) -> None:
    class Finer(type(error)):  # type: ignore[misc]
        def __init__(self) -> None:
            self.__dict__.update(error.__dict__)

    assert problem_of(Finer()).status == problem_of(error).status


def test_a_client_is_told_when_to_come_back_to_something_unavailable() -> None:
    assert problem_of(errors.QueueFull("text", retry_after=30)).retry_after == 30


def test_a_client_is_always_told_when_to_come_back_to_something_unavailable() -> None:
    assert (problem_of(errors.StorageUnavailable("text")).retry_after or 0) > 0


def test_a_client_is_not_told_to_repeat_what_can_never_work() -> None:
    others = [each for each in EXAMPLES.values() if not isinstance(each, errors.Unavailable)]
    assert {problem_of(error).retry_after for error in others} == {None}


def test_a_faulty_request_is_answered_with_every_fault() -> None:
    description = problem_of(errors.InvalidInputs(FAULTS)).description
    assert "2 faults" in description
    assert all(str(fault) in description for fault in FAULTS)


def test_a_faulty_configuration_is_shown_with_its_file_and_every_fault_on_a_line() -> None:
    lines = str(errors.ConfigurationError("config.yml", FAULTS)).splitlines()
    assert lines == [
        "2 faults in config.yml:",
        "  /inputs/a: is missing",
        "  /inputs/b/0: is too small",
    ]


def test_one_fault_is_not_called_faults() -> None:
    assert str(errors.ConfigurationError("x", FAULTS[:1])).startswith("1 fault in x:")


def test_the_status_is_one_that_http_knows() -> None:
    assert {type(problem_of(error).status) for error in EXAMPLES.values()} == {HTTPStatus}


def test_the_processor_s_words_are_kept_apart_from_the_type_of_its_error() -> None:
    error = errors.ProcessorFailed("division by zero", "ZeroDivisionError")
    assert (str(error), error.error_type) == ("division by zero", "ZeroDivisionError")
