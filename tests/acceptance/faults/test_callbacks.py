"""Subscribers that are down, slow or wrong, and parts that die between a job's end and its news."""

import pytest

from tests.acceptance.faults.conftest import WORKERS
from tests.support.client import Client
from tests.support.faults import Marks, Subscriber, flow_run, kill, wait_for_all
from tests.support.programs import eventually
from tests.support.stack import Stack, processes_of

pytestmark = pytest.mark.usefixtures("all_ended")


def label(stack: Stack, job_id: str, event: str) -> str:
    """Return how far a delivery is, as the run in Prefect says."""
    return str(flow_run(stack, job_id)["labels"].get(f"pygeoapi.callback.{event}", ""))


def wait_for_delivery(stack: Stack, job_id: str, event: str, seconds: float = 60) -> None:
    eventually(
        lambda: label(stack, job_id, event).startswith("delivered at "), f"{event} told", seconds
    )


def test_a_subscriber_that_is_down_at_first_hears_everything_in_order(
    stack: Stack, client: Client, marks: Marks, subscriber: Subscriber
) -> None:
    job_id = client.submit(
        "steps", marks.inputs("job"), response="document", subscriber=subscriber.subscription("job")
    )
    wait_for_all(client, {job_id: "successful"})
    eventually(
        lambda: label(stack, job_id, "in_progress").startswith("try 1 at "), "a try is noted"
    )
    assert "ConnectError" in label(stack, job_id, "in_progress")
    subscriber.answers.extend([500, 500])
    with subscriber.there():
        eventually(lambda: len(subscriber.asked) >= 2, "it has answered 500 twice")
        wait_for_delivery(stack, job_id, "success")
    assert subscriber.paths("job") == ["began", "success"]
    assert subscriber.body("job/success") == client.results(job_id).json()
    assert label(stack, job_id, "in_progress").startswith("delivered at ")
    assert label(stack, job_id, "failed") == ""
    assert client.job(job_id)["status"] == "successful"
    eventually(
        lambda: "pygeoapi-callback" not in flow_run(stack, job_id)["tags"], "nothing is left to do"
    )


def test_a_subscriber_hears_of_a_start_failures_and_dismissals(
    stack: Stack, client: Client, marks: Marks, subscriber: Subscriber
) -> None:
    def submit(name: str, process: str = "steps", **more: object) -> str:
        return client.submit(
            process, marks.inputs(name, **more), subscriber=subscriber.subscription(name)
        )

    with subscriber.there():
        running = submit("running", hold=1)
        marks.wait_until_held("running")
        # While it runs.
        wait_for_delivery(stack, running, "in_progress")
        assert subscriber.paths("running") == ["began"]
        begun = subscriber.body("running/began")
        assert (begun["jobID"], begun["processID"]) == (running, "steps")
        assert (begun["status"], begun["type"]) == ("running", "process")
        failed, killed = submit("failed", fail=1), submit("killed", hold=1, go="never")
        again = submit("again", "steps-again", fail=1)
        dismissed = submit("dismissed", hold=1, listen=True, go="never")
        for name in ("killed", "dismissed"):
            marks.wait_until_held(name)
        marks.process_of("killed").kill()
        client.delete(dismissed)
        marks.let_go()
        wanted = dict.fromkeys((running, again), "successful") | {dismissed: "dismissed"}
        wait_for_all(client, wanted | dict.fromkeys((failed, killed), "failed"))
        for job_id in (failed, killed, dismissed):
            wait_for_delivery(stack, job_id, "failed")
        for job_id in (running, again):
            wait_for_delivery(stack, job_id, "success")
    for name, job_id in {"failed": failed, "killed": killed, "dismissed": dismissed}.items():
        assert subscriber.paths(name) == ["began", "failed"]
        told = subscriber.body(f"{name}/failed")
        assert (told["jobID"], told["status"]) == (job_id, wanted.get(job_id, "failed"))
        assert told["links"][0]["href"].endswith(f"/jobs/{job_id}")
    for name in ("running", "again"):
        # Once for all attempts.
        assert subscriber.paths(name) == ["began", "success"]


def test_a_job_dismissed_before_it_began_is_told_of(
    stack: Stack, client: Client, marks: Marks, subscriber: Subscriber
) -> None:
    busy = [client.submit("steps", marks.inputs(f"busy-{n}", hold=1)) for n in range(WORKERS)]
    for n in range(WORKERS):
        marks.wait_until_held(f"busy-{n}")
    with subscriber.there():
        waiting = client.submit(
            "steps", marks.inputs("waiting"), subscriber=subscriber.subscription("waiting")
        )
        client.delete(waiting)
        wait_for_delivery(stack, waiting, "failed")
        assert subscriber.paths("waiting") == ["failed"]
    marks.let_go()
    wait_for_all(client, {waiting: "dismissed", **dict.fromkeys(busy, "successful")})


def test_news_of_a_job_outlive_worker_and_prefect(
    stack: Stack, client: Client, marks: Marks, subscriber: Subscriber
) -> None:
    job_id = client.submit("steps", marks.inputs("job"), subscriber=subscriber.subscription("job"))
    wait_for_all(client, {job_id: "successful"})
    assert not label(stack, job_id, "success")
    kill(stack, "worker")
    kill(stack, "server")
    with subscriber.there():
        eventually(lambda: "success" in subscriber.paths("job"), "it hears of the end", 90)
    # At least once, and in order.
    assert list(dict.fromkeys(subscriber.paths("job"))) == ["began", "success"]
    assert client.job(job_id)["status"] == "successful"


def test_subscribers_that_hang_hold_no_slot_and_change_no_status(
    stack: Stack, client: Client, marks: Marks, subscriber: Subscriber
) -> None:
    subscriber.answers.extend([None] * 100)
    with subscriber.there():
        hanging = [
            client.submit(
                "steps", marks.inputs(f"hanging-{n}"), subscriber=subscriber.subscription("h")
            )
            for n in range(WORKERS)
        ]
        wait_for_all(client, dict.fromkeys(hanging, "successful"))
        eventually(lambda: len(subscriber.asked) >= WORKERS, "all hang")
        others = [
            client.submit("steps", marks.inputs(f"other-{n}", hold=1)) for n in range(WORKERS)
        ]
        for n in range(WORKERS):
            marks.wait_until_held(f"other-{n}")
        marks.let_go()
        wait_for_all(client, dict.fromkeys(others, "successful"))
        assert subscriber.heard == []
        subscriber.answers.clear()
    assert {client.job(job_id)["status"] for job_id in hanging} == {"successful"}
    for job_id in hanging:
        client.delete(job_id)


def test_a_redirection_is_not_followed(
    stack: Stack, client: Client, marks: Marks, subscriber: Subscriber
) -> None:
    subscriber.answers.extend([302, 307])
    with subscriber.there():
        job_id = client.submit(
            "steps", marks.inputs("job"), subscriber={"successUri": subscriber.url("job/success")}
        )
        eventually(
            lambda: "answered 302" in label(stack, job_id, "success"), "the refusal is noted"
        )
        wait_for_delivery(stack, job_id, "success")
    assert subscriber.asked == ["/job/success"] * 3


@pytest.mark.parametrize("part", ["successUri", "inProgressUri", "failedUri"])
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/",
        "http://localhost/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://0x7f000001/",
        "file:///etc/passwd",
        "http://no-such-host.invalid/",
    ],
)
def test_a_url_that_is_not_allowed_is_refused_at_once(client: Client, part: str, url: str) -> None:
    # The echo may not make requests to internal addresses.
    subscriber = {"successUri": url, part: url}
    answer = client.execute("echo", {}, prefer="respond-async", subscriber=subscriber)
    assert answer.status_code == 400, answer.text
    assert "subscriber" in answer.text


def test_a_worker_killed_during_a_delivery_leaves_it_to_the_next(
    stack: Stack, client: Client, marks: Marks, subscriber: Subscriber
) -> None:
    subscriber.answers.extend([None])
    with subscriber.there():
        job_id = client.submit(
            "steps", marks.inputs("job"), subscriber={"successUri": subscriber.url("job/success")}
        )
        eventually(lambda: subscriber.asked, "the delivery is under way")
        processes_of(stack.state)["worker"].kill()
        wait_for_delivery(stack, job_id, "success")
    assert subscriber.paths("job") == ["success"]
    wait_for_all(client, {job_id: "successful"})
