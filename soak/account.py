"""The account: every job that was asked for, and what became of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from soak.clients import Submission
from soak.executions import Execution
from soak.faults import Fault
from soak.judgement import Case, Fate
from soak.subscriber import Callback, Subscriber

_FINAL_EVENT = {"successful": "success", "failed": "failed", "dismissed": "failed"}


@dataclass
class Account:
    """What is said at the end.

    Attributes:
        rows: what, how many, and whether that must be 0.
        findings: everything that should not be, in detail.
    """

    rows: list[tuple[str, int, bool]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything is 0 that must be."""
        return not any(count for _, count, must_be_zero in self.rows if must_be_zero)

    def add(self, what: str, count: int) -> None:
        """Add something that may be."""
        self.rows.append((what, count, False))

    def refuse(self, what: str, details: Iterable[object]) -> None:
        """Add something that must not be."""
        lines = [f"{what}: {detail}" for detail in details]
        self.rows.append((what, len(lines), True))
        self.findings += lines

    def __str__(self) -> str:
        """The account as Markdown."""
        rows = [
            f"| {what} | {count} | {('**no**' if count else 'yes') if must_be_zero else ''} |"
            for what, count, must_be_zero in self.rows
        ]
        text = "\n".join(["| | number | 0, as it must be |", "|---|---|---|", *rows, ""])
        if self.findings:
            text += "\n## What should not be\n\n" + "".join(f"- {line}\n" for line in self.findings)
        return text


def cases_of(
    submissions: Sequence[Submission],
    documents: dict[str, dict[str, Any]],
    executions: Sequence[Execution],
) -> list[Case]:
    """Return the case of each job, both of those acknowledged and of those listed.

    Args:
        submissions: all requests.
        documents: all jobs that the service lists.
        executions: all that left a mark.
    """
    by_token = {submission.token: submission for submission in submissions}
    of_job = defaultdict[str, list[Execution]](list)
    for execution in executions:
        of_job[execution.job_id].append(execution)
    cases = {
        submission.job_id: Case(submission.job_id, submission, documents.get(submission.job_id))
        for submission in submissions
        if submission.job_id
    }
    for job_id, document in documents.items():
        if job_id not in cases:
            token = of_job[job_id][0].token if of_job[job_id] else ""
            cases[job_id] = Case(job_id, by_token.get(token), document, is_acknowledged=False)
    for case in cases.values():
        case.executions = of_job[case.job_id]
    return list(cases.values())


def callbacks_due(case: Case) -> list[str]:
    """Return the events that the subscriber of a job is to hear of, in order."""
    if not (case.submission and case.submission.has_subscriber and case.document):
        return []
    begun = ["in_progress"] if case.executions else []
    return [*begun, _FINAL_EVENT[case.status]] if case.has_ended else begun


def add_jobs(
    account: Account,
    cases: Sequence[Case],
    submissions: Sequence[Submission],
    faults: Sequence[Fault],
) -> None:
    """Account for all jobs."""
    known = [case for case in cases if case.is_acknowledged]
    fates = {fate: [case for case in known if case.fate(faults) is fate] for fate in Fate}
    account.add("submitted and acknowledged", len(known))
    for fate in Fate:
        if fate in (Fate.FAILED_UNTRUTHFULLY, Fate.LOST):
            account.refuse(str(fate), fates[fate])
        else:
            account.add(str(fate), len(fates[fate]))
    unknown = [case for case in cases if not case.is_acknowledged]
    unanswered = [each for each in submissions if not each.job_id and not each.faults]
    account.add("requests without an answer (or 503)", len(unanswered))
    account.add("jobs of these", len(unknown))
    bad = (Fate.FAILED_UNTRUTHFULLY, Fate.LOST)
    account.refuse("of these, badly ended", (c for c in unknown if c.fate(faults) in bad))
    tokens = Counter(case.submission.token for case in cases if case.submission)
    account.refuse("requests that made two jobs", (t for t, n in tokens.items() if n > 1))
    surplus = len(unknown) - len(unanswered)
    account.refuse("jobs that nobody asked for", unknown if surplus > 0 else ())
    account.refuse(
        "ends that contradict what is known",
        (f"{reason}: {case}" for case in cases for reason in case.contradictions()),
    )
    once = [case for case in cases if not (case.submission and case.submission.kind.retries)]
    account.refuse("run twice with retries off", (c for c in once if len(c.executions) > 1))
    account.refuse("an attempt run twice", (case for case in cases if case.ran_twice))
    account.refuse("ran twice at once", (case for case in cases if case.ran_twice_at_once))
    account.add("attempts beyond the first", sum(max(0, len(c.executions) - 1) for c in cases))
    account.refuse("checkpoints lost", (case for case in cases if case.forgot_its_checkpoint))
    account.refuse(
        "answers that should not be",
        (f"{each.job_id} {fault}" for each in submissions for fault in each.faults),
    )


def add_results(account: Account, cases: Sequence[Case], url: str) -> None:
    """Fetch all results and account for those that are wrong."""
    successful = [case for case in cases if case.status == "successful" and case.submission]
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:

        def look(case: Case) -> str | None:
            answer = http.get(f"/jobs/{case.job_id}/results", params={"f": "json"})
            submission = case.submission
            assert submission is not None
            if answer.is_success and submission.kind.is_result(submission.inputs, answer.content):
                return None
            return f"{answer.status_code} {answer.text[:200]}: {case}"

        with ThreadPoolExecutor(4) as threads:
            wrong = [line for line in threads.map(look, successful) if line]
    account.add("results fetched", len(successful))
    account.refuse("results wrong", wrong)


def add_callbacks(account: Account, cases: Sequence[Case], subscriber: Subscriber) -> None:
    """Account for all callbacks."""
    due = again = 0
    late: list[str] = []
    disordered: list[str] = []
    contradicting: list[str] = []
    for case in cases:
        if not (case.submission and case.submission.has_subscriber):
            continue
        taken = subscriber.taken(case.submission.token)
        events = [callback.event for callback in taken]
        expected = callbacks_due(case)
        due += len(expected)
        again += len(events) - len(set(events))
        late += [f"{event} of {case}" for event in expected if event not in events]
        finals = [event for event in events if event != "in_progress"]
        if finals and "in_progress" in events[events.index(finals[0]) :]:
            disordered.append(f"{events} of {case}")
        if case.document and set(finals) - set(expected):
            contradicting.append(f"{events} of {case}")
        contradicting += [
            f"{callback} of {case}" for callback in taken if not _is_right(callback, case)
        ]
    account.add("callbacks due", due)
    account.add("callbacks due and delivered", due - len(late))
    account.add("callbacks delivered again", again)
    account.add("callbacks answered with 500", subscriber.refused)
    account.refuse("callbacks due and not delivered", late)
    account.refuse("callbacks out of order", disordered)
    account.refuse("callbacks that are wrong", contradicting)


def add_faults(account: Account, faults: Sequence[Fault], trouble: Counter[str]) -> None:
    """Account for what was done to the service, and what clients saw of it."""
    account.add("kills", sum(fault.is_kill for fault in faults))
    for name, count in sorted(Counter(fault.name for fault in faults).items()):
        account.add(name, count)
    for name, count in sorted(trouble.items()):
        account.add(f"requests answered: {name}", count)


def told(faults: Sequence[Fault]) -> str:
    """Return what was done when, as Markdown."""
    return "".join(
        f"- {datetime.fromtimestamp(fault.at, UTC):%H:%M:%S.%f} {fault.name} ({fault.pid})\n"
        for fault in faults
    )


def _is_right(callback: Callback, case: Case) -> bool:
    if callback.event != "success" or case.submission is None:
        return True
    size = case.submission.inputs.get("size")
    # The document of a big output holds it in base64, the others what they were asked.
    return callback.size > size if size else callback.names_token
