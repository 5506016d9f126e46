"""`pygeoapi-prefect up`: starting, stopping, and everything that can get in the way."""

import re
import signal
import subprocess
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.configuration import configuration, prefect_manager, write_configuration
from tests.support.programs import BIN, environment, eventually, free_port, program, stop
from tests.support.stack import Stack, processes_of, up


def everything_below(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def test_it_says_what_it_does_and_stops_without_a_trace(tmp_path: Path, template: Path) -> None:
    with up(tmp_path, template=template) as stack:
        assert stack.client.execute("echo", {"a": 1}).json() == {"a": 1}
        said = stack.log.read_text()
        started = everything_below(stack.process)
        assert len(started) >= 3
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(30) == 0
    for expected in ("Prefect server", "worker", "pygeoapi on", "Prefect UI", "ready http://"):
        assert expected in said
    _, alive = psutil.wait_procs(started, 10)
    assert not alive


@pytest.mark.large
def test_the_address_of_a_job_in_prefect_leads_to_the_interface_that_asks_for_the_login(
    tmp_path: Path, template: Path
) -> None:
    with up(tmp_path, template=template) as stack:
        job_id = stack.client.submit("echo", {"a": 1})
        (address,) = re.findall(r"a job in it (\S+)", stack.log.read_text())
        page = httpx.get(
            address.replace("JOB-ID", job_id), headers={"Accept": "text/html"}, trust_env=False
        )
    assert page.status_code == 200
    # Not the interface at the root, which answers any address and knows nothing of `/v2`.
    assert 'src="/v2/assets/' in page.text


@pytest.mark.large
def test_jobs_and_results_survive_a_sigkill(tmp_path: Path, template: Path) -> None:
    with up(tmp_path, template=template) as stack:
        done = stack.client.submit("kinds", {"kind": "png"})
        stack.client.wait_for(done, "successful")
        running = stack.client.submit("waiting", {"file": str(tmp_path / "never")})
        stack.client.wait_for(running, "running")
        started = everything_below(stack.process)
        stack.process.kill()
        stack.process.wait()
        # Nobody tells them to stop: they notice that their parent is gone.
        _, alive = psutil.wait_procs(started, 20)
        assert not alive
    with up(tmp_path) as stack:
        assert stack.client.job(done)["status"] == "successful"
        assert stack.client.results(done).headers["content-type"] == "image/png"
        lost = stack.client.job(running)
        assert lost["status"] == "failed"
        assert lost["message"].startswith(
            "The worker "
        )  # was stopped, or is gone: whoever was faster
        assert stack.client.execute("echo", {"a": 2}).json() == {"a": 2}


def test_a_second_one_on_the_same_folder_is_refused(shared_stack: Stack) -> None:
    command = [str(BIN / "pygeoapi-prefect"), "up", "--config", "config.yml"]
    command += ["--port", str(free_port())]
    second = subprocess.run(
        command,
        cwd=shared_stack.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert "is in use by another service" in second.stderr
    assert "Traceback" not in second.stderr
    assert shared_stack.client.execute("echo", {"still": "here"}).json() == {"still": "here"}


def test_a_taken_port_is_named_before_anything_starts(shared_stack: Stack, tmp_path: Path) -> None:
    port = shared_stack.client.http.base_url.port
    config = write_configuration(
        tmp_path / "config.yml", configuration(port or 0, prefect_manager(tmp_path))
    )
    refused = subprocess.run(
        [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr
    assert not (tmp_path / "state").exists()


def test_every_mistake_in_the_configuration_is_listed_and_nothing_starts(tmp_path: Path) -> None:
    content = configuration(free_port(), prefect_manager(tmp_path, syc_timeout=3, work_pool=[1]))
    content["resources"]["broken"] = {
        "type": "process",
        "processor": {"name": "no_such_module.Processor"},
    }
    config = write_configuration(tmp_path / "config.yml", content)
    refused = subprocess.run(
        [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    for named in ("/server/manager/syc_timeout", "/server/manager/work_pool", "no_such_module"):
        assert named in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.large
@pytest.mark.parametrize("victim", ["server", "worker"])
def test_a_part_that_dies_is_started_again(tmp_path: Path, template: Path, victim: str) -> None:
    with up(tmp_path, template=template) as stack:
        before = processes_of(stack.state)[victim]
        before.kill()
        eventually(
            lambda: processes_of(stack.state).get(victim) not in (None, before),
            f"the {victim} is there again",
        )

        def works() -> bool:
            answer = stack.client.execute("echo", {"a": 1})
            assert answer.status_code in (200, 201, 503), answer.text
            return answer.status_code == 200

        eventually(works, "a job runs again", 60)


def test_the_embedded_prefect_lets_only_its_owner_in(shared_stack: Stack) -> None:
    url = f"{shared_stack.prefect_url}/flow_runs/count"
    assert url.startswith("http://127.0.0.1:")
    assert shared_stack.client.http.post(url, json={}).status_code == 401
    answer = shared_stack.client.http.post(url, json={}, auth=shared_stack.prefect_auth)
    assert answer.status_code == 200
    assert (shared_stack.state / "auth").stat().st_mode & 0o077 == 0
    assert (shared_stack.state / "snapshot.yml").stat().st_mode & 0o077 == 0


def test_the_flow_run_of_a_job_has_its_id_and_its_logs(shared_stack: Stack) -> None:
    job_id = shared_stack.client.submit("talkative")
    shared_stack.client.wait_for(job_id, "successful")
    prefect, api = shared_stack.client.http, shared_stack.prefect_url
    auth = shared_stack.prefect_auth
    run = prefect.get(f"{api}/flow_runs/{job_id}", auth=auth).json()
    assert run["labels"]["pygeoapi.process"] == "talkative"
    assert run["state"]["type"] == "COMPLETED"

    def look() -> bool:
        body = {"logs": {"flow_run_id": {"any_": [job_id]}}}
        logs = prefect.post(f"{api}/logs/filter", json=body, auth=auth)
        text = "\n".join(entry["message"] for entry in logs.json())
        return "a printed line" in text

    eventually(look, "the log is in Prefect", 20)


@pytest.mark.large
def test_without_web_only_prefect_and_the_worker_run(tmp_path: Path, template: Path) -> None:
    with up(tmp_path, "--no-web", template=template) as stack:
        assert set(processes_of(stack.state)) == {"server", "worker"}
        assert "pygeoapi on" not in stack.log.read_text()


@pytest.mark.large
def test_stopping_it_reports_what_was_running_as_failed(tmp_path: Path, template: Path) -> None:
    with up(tmp_path, template=template) as stack:
        job_id = stack.client.submit("waiting", {"file": str(tmp_path / "never")})
        stack.client.wait_for(job_id, "running")
    with up(tmp_path) as stack:
        job = stack.client.job(job_id)
        assert job["status"] == "failed"
        assert "stopped while the job was running" in job["message"]


def test_the_web_server_finds_the_snapshot_as_it_is_to_be(tmp_path: Path, template: Path) -> None:
    with up(tmp_path, template=template) as stack:
        assert stack.client.execute("echo", {"a": 1}).json() == {"a": 1}
        snapshot, configured = (
            next(tmp_path.rglob(name)) for name in ("snapshot.yml", "pygeoapi-config.yml")
        )
        # `up` wrote it first. Another one would have jobs begin in new interpreters, and the
        # worker warm up once more, when clients come.
        assert snapshot.stat().st_mtime_ns < configured.stat().st_mtime_ns


def test_it_can_be_interrupted_while_it_starts(tmp_path: Path, template: Path) -> None:
    content = configuration(free_port(), prefect_manager(tmp_path))
    config = write_configuration(tmp_path / "config.yml", content)
    log = tmp_path / "up.log"
    command = [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config)]
    with program(command, log, environment()) as process:
        eventually(lambda: "starting worker" in log.read_text(), "it starts")
        assert stop(process) == 0
    assert not processes_of(tmp_path / "state")


def test_a_configuration_of_another_manager_is_told_the_one_line(tmp_path: Path) -> None:
    manager = {"name": "TinyDB", "connection": "/tmp/x.db", "output_dir": "/tmp"}
    config = write_configuration(tmp_path / "config.yml", configuration(free_port(), manager))
    refused = subprocess.run(
        [str(BIN / "pygeoapi-prefect"), "up", "--config", str(config)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "must be pygeoapi_prefect.PrefectManager, not TinyDB" in refused.stderr


def test_the_same_commands_are_below_pygeoapi(tmp_path: Path) -> None:
    told = subprocess.run(
        [str(BIN / "pygeoapi"), "plugins", "prefect", "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for command in ("up", "worker", "deploy", "doctor"):
        assert command in told.stdout


@pytest.mark.large
def test_a_proxy_for_the_outside_world_is_not_asked_for_prefect(
    tmp_path: Path, template: Path
) -> None:
    # Nothing listens there, as with a proxy that does not know the addresses of this machine.
    address = f"127.0.0.1:{free_port()}"
    proxy, of_socks = f"http://{address}", f"socks5://{address}"
    variables = {"HTTP_PROXY": proxy, "http_proxy": proxy, "ALL_PROXY": of_socks}
    with up(tmp_path / "up", template=template, variables=variables) as stack:
        assert stack.client.execute("echo", {"a": 1}).json() == {"a": 1}
