"""What jobs may rely on when they write results, and clients when they read them."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from pygeoapi_prefect.errors import ConfigurationError, ResultMissing, StorageUnavailable
from pygeoapi_prefect.results.manifest import Kind, Manifest, Output
from pygeoapi_prefect.results.storage import ResultStorage

JOB = "0a4bd8a2-6a8d-4b43-9b4f-1b7b8c2d9e10"
OTHER_JOB = "9c1f7d54-0f0e-4c55-8a45-5d4c34f8f7aa"
ODD_IDS = ["a/b", "..", "../../etc/passwd", "ü", "a b\n", "", "manifest.json", "x" * 100]
ODD_IDS += ["a\r\nX-Evil: yes", "a\0b", 'quo"te', ".", "~", "x" * 400, "ü" * 300]


def write(
    storage: ResultStorage,
    data: Any = b"bytes",
    output_id: str = "map",
    job_id: str = JOB,
    attempt: int = 1,
    number: int = 1,
) -> Output:
    return storage.write_output(job_id, attempt, number, output_id, "image/png", Kind.BINARY, data)


def manifest_of(*outputs: Output, job_id: str = JOB) -> Manifest:
    return Manifest(job_id=job_id, process_id="p", outputs=outputs)


def files(storage: ResultStorage) -> list[str]:
    file_system, root = fsspec.url_to_fs(storage.url)
    return sorted(path.removeprefix(root) for path in file_system.find(root))


def overwrite(storage: ResultStorage, key: str, content: bytes) -> None:
    file_system, root = fsspec.url_to_fs(storage.url)
    path = f"{root}/{JOB}/{key}"
    file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
    file_system.pipe_file(path, content)


class HalfWritten:
    """A file whose writer is killed in the middle."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __enter__(self) -> "HalfWritten":
        self._file.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self._file.__exit__(*exc_info)

    def write(self, content: bytes) -> int:
        self._file.write(content[: len(content) // 2])
        raise KeyboardInterrupt


def is_killed_while_writing(storage: ResultStorage, manifest: Manifest) -> bool:
    """Kill whoever writes a manifest through a file; say whether there was one to kill."""
    really_open = storage._fs.open

    def half_open(path: str, mode: str = "rb", **options: Any) -> Any:
        file = really_open(path, mode, **options)
        return HalfWritten(file) if "w" in mode else file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage._fs, "open", half_open)
        try:
            storage.write_manifest(manifest)
        except KeyboardInterrupt:
            return True
    return False


# ---- outputs


def test_an_output_is_read_as_it_was_written(storage: ResultStorage) -> None:
    output = write(storage, b"\x00\xff\r\n\x1a")
    assert storage.read_output(JOB, output) == b"\x00\xff\r\n\x1a"


def test_an_empty_output_is_one(storage: ResultStorage) -> None:
    assert storage.read_output(JOB, write(storage, b"")) == b""


@pytest.mark.parametrize("form", [str, Path])
def test_a_file_of_several_megabytes_is_read_as_it_was_written(
    storage: ResultStorage, tmp_path: Path, form: Callable[[Path], str | Path]
) -> None:
    content = os.urandom(2_500_001)
    (tmp_path / "file").write_bytes(content)
    output = write(storage, form(tmp_path / "file"))
    assert storage.read_output(JOB, output) == content


def test_the_manifest_says_how_large_an_output_is(storage: ResultStorage) -> None:
    assert write(storage, b"12345").size == 5


def test_a_file_that_is_not_there_is_the_author_s_mistake_not_the_storage_s(
    storage: ResultStorage, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        write(storage, tmp_path / "missing")


@pytest.mark.parametrize("output_id", ODD_IDS)
def test_an_output_may_have_an_odd_id(storage: ResultStorage, output_id: str) -> None:
    output = write(storage, b"odd", output_id)
    assert (output.id, storage.read_output(JOB, output)) == (output_id, b"odd")


@pytest.mark.parametrize("output_id", ODD_IDS)
def test_an_odd_id_does_not_lead_out_of_the_attempt_s_folder(
    storage: ResultStorage, output_id: str
) -> None:
    write(storage, b"odd", output_id)
    (path,) = files(storage)
    assert path.startswith(f"/{JOB}/1/") and path.count("/") == 3


def test_outputs_with_similar_ids_do_not_overwrite_each_other(storage: ResultStorage) -> None:
    first, second = write(storage, b"1", "a/b", number=1), write(storage, b"2", "a_b", number=2)
    assert [storage.read_output(JOB, each) for each in (first, second)] == [b"1", b"2"]


@pytest.mark.parametrize(("one", "other"), [("A", "a"), ("Ä", "ä"), ("ß", "SS"), ("a", "a.")])
def test_no_two_outputs_are_one_file_where_case_does_not_count(
    storage: ResultStorage, one: str, other: str
) -> None:
    first, second = write(storage, b"1", one, number=1), write(storage, b"2", other, number=2)
    assert first.key.casefold() != second.key.casefold()
    assert [storage.read_output(JOB, each) for each in (first, second)] == [b"1", b"2"]


def test_a_second_attempt_leaves_the_first_one_s_files_alone(storage: ResultStorage) -> None:
    first, second = write(storage, b"1", attempt=1), write(storage, b"2", attempt=2)
    assert [storage.read_output(JOB, each) for each in (first, second)] == [b"1", b"2"]


def test_an_output_that_is_gone_is_missing(storage: ResultStorage) -> None:
    output = write(storage)
    storage.delete(JOB)
    with pytest.raises(ResultMissing, match="is gone"):
        storage.read_output(JOB, output)


@pytest.mark.parametrize("content", [b"other", b"byte", b""])
def test_an_output_that_somebody_changed_is_missing(storage: ResultStorage, content: bytes) -> None:
    output = write(storage, b"bytes")
    overwrite(storage, output.key, content)
    with pytest.raises(ResultMissing, match="checksum"):
        storage.read_output(JOB, output)


@pytest.mark.parametrize("size", [0, 1, 9_000_001])
def test_an_output_is_read_piece_by_piece_as_it_was_written(
    storage: ResultStorage, size: int
) -> None:
    content = os.urandom(size)
    assert b"".join(storage.stream_output(JOB, write(storage, content))) == content


def test_the_last_piece_of_an_output_that_somebody_changed_is_kept_back(
    storage: ResultStorage,
) -> None:
    content = bytes(17_000_000)
    output = write(storage, content)
    overwrite(storage, output.key, content[:-1] + b"x")
    read = 0
    with pytest.raises(ResultMissing, match="checksum"):
        for piece in storage.stream_output(JOB, output):
            read += len(piece)
    assert 0 < read < output.size


def test_an_output_that_is_gone_cannot_be_read_piece_by_piece(storage: ResultStorage) -> None:
    output = write(storage)
    storage.delete(JOB)
    with pytest.raises(ResultMissing, match="is gone"):
        list(storage.stream_output(JOB, output))


def test_what_cannot_sign_has_no_links(storage: ResultStorage) -> None:
    assert storage.link(JOB, write(storage)) is None


@pytest.mark.parametrize("size", [3, 20_000_000])
def test_an_output_that_is_cut_short_never_appears_in_an_object_store(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = ResultStorage(f"memory://results-{uuid4()}")
    (tmp_path / "file").write_bytes(bytes(size))

    def broken(source: Any) -> Iterator[bytes]:
        yield source.read(size // 2)
        yield source.read(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("pygeoapi_prefect.results.files._read_in_pieces", broken)
    with pytest.raises(KeyboardInterrupt):
        write(storage, tmp_path / "file")
    assert files(storage) == []


# ---- the manifest


def test_a_job_that_wrote_nothing_has_no_results(storage: ResultStorage) -> None:
    assert storage.read_manifest(JOB) is None


def test_the_manifest_is_read_as_it_was_written(storage: ResultStorage) -> None:
    manifest = manifest_of(write(storage, output_id="ü/ö"))
    storage.write_manifest(manifest)
    assert storage.read_manifest(JOB) == manifest


def test_a_job_killed_before_its_manifest_has_no_results(storage: ResultStorage) -> None:
    write(storage)
    assert storage.read_manifest(JOB) is None


def test_a_job_killed_while_it_writes_its_manifest_has_no_results(
    storage: ResultStorage,
) -> None:
    manifest = manifest_of(write(storage))
    expected = None if is_killed_while_writing(storage, manifest) else manifest
    assert storage.read_manifest(JOB) == expected


def test_an_attempt_killed_while_it_writes_its_manifest_leaves_the_earlier_one(
    storage: ResultStorage,
) -> None:
    earlier, later = manifest_of(write(storage)), manifest_of()
    storage.write_manifest(earlier)
    expected = earlier if is_killed_while_writing(storage, later) else later
    assert storage.read_manifest(JOB) == expected


def test_the_manifest_appears_at_once_even_if_results_are_on_a_disk_of_their_own(
    local_storage: ResultStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(write(local_storage))
    really_rename, really_replace = os.rename, os.replace

    def within_the_disk(really: Callable[..., None]) -> Callable[..., None]:
        def rename(source: str, target: str, **options: Any) -> None:
            if not os.fspath(source).startswith(local_storage.url):
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            really(source, target, **options)

        return rename

    def copy_half(source: str, target: str, **_: Any) -> None:
        content = Path(source).read_bytes()
        Path(target).write_bytes(content[: len(content) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", within_the_disk(really_rename))
    monkeypatch.setattr(os, "replace", within_the_disk(really_replace))
    monkeypatch.setattr(shutil, "copyfile", copy_half)
    try:
        local_storage.write_manifest(manifest)
    except KeyboardInterrupt:
        assert local_storage.read_manifest(JOB) is None
    else:
        assert local_storage.read_manifest(JOB) == manifest


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"job_id": "x"}', b"\xff\xfe"])
def test_a_manifest_that_cannot_be_understood_is_a_missing_result(
    storage: ResultStorage, content: bytes
) -> None:
    overwrite(storage, "manifest.json", content)
    with pytest.raises(ResultMissing):
        storage.read_manifest(JOB)


# ---- removing


def test_removing_a_job_removes_all_its_attempts(storage: ResultStorage) -> None:
    storage.write_manifest(manifest_of(write(storage, attempt=1), write(storage, attempt=2)))
    storage.delete(JOB)
    assert files(storage) == []


def test_removing_a_job_leaves_the_others(storage: ResultStorage) -> None:
    for job_id in (JOB, OTHER_JOB):
        storage.write_manifest(manifest_of(write(storage, job_id=job_id), job_id=job_id))
    storage.delete(JOB)
    assert storage.read_manifest(OTHER_JOB) is not None


def test_removing_a_job_twice_is_removing_it_once(storage: ResultStorage) -> None:
    storage.write_manifest(manifest_of(write(storage)))
    storage.delete(JOB)
    storage.delete(JOB)
    assert storage.read_manifest(JOB) is None


def test_a_job_that_was_killed_before_its_manifest_can_be_removed(storage: ResultStorage) -> None:
    write(storage)
    storage.delete(JOB)
    assert files(storage) == []


# ---- checkpoints


@pytest.mark.parametrize(
    "value", [None, 0, "block ü", [1, [2.5, None]], {"block": 3, "done": {"a": True}}, 2**70]
)
def test_a_checkpoint_is_read_as_it_was_saved(storage: ResultStorage, value: Any) -> None:
    storage.write_checkpoint(JOB, value)
    assert storage.read_checkpoint(JOB) == value


def test_a_job_that_saved_no_checkpoint_has_none(storage: ResultStorage) -> None:
    assert storage.read_checkpoint(JOB) is None


def test_the_last_checkpoint_counts(storage: ResultStorage) -> None:
    for block in range(3):
        storage.write_checkpoint(JOB, block)
    assert storage.read_checkpoint(JOB) == 2


def test_every_job_has_a_checkpoint_of_its_own(storage: ResultStorage) -> None:
    storage.write_checkpoint(JOB, 1)
    assert storage.read_checkpoint(OTHER_JOB) is None


@pytest.mark.parametrize(
    "value",
    [{1, 2}, b"bytes", pytest.param(object(), id="object"), float("nan"), float("inf")],
    ids=str,
)
def test_a_checkpoint_that_json_cannot_hold_is_refused_and_the_last_one_kept(
    storage: ResultStorage, value: Any
) -> None:
    storage.write_checkpoint(JOB, "good")
    with pytest.raises((TypeError, ValueError)):
        storage.write_checkpoint(JOB, value)
    assert storage.read_checkpoint(JOB) == "good"


def test_a_checkpoint_goes_with_its_job(storage: ResultStorage) -> None:
    storage.write_checkpoint(JOB, 1)
    storage.delete(JOB)
    assert (storage.read_checkpoint(JOB), files(storage)) == (None, [])


def test_a_checkpoint_is_no_result(storage: ResultStorage) -> None:
    storage.write_checkpoint(JOB, 1)
    assert storage.read_manifest(JOB) is None


# ---- large inputs


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"text": "ünïcode \U0001f30d", "": None},
        {"deep": {"list": [[[{"a": [1, 2.5, True, None]}]]]}},
        {"lone surrogate": "\ud800", "nul": "\x00", "large": 2**70},
        {"__prefect_kind": "jinja", "template": "{{ 1 + 1 }}"},
    ],
)
def test_inputs_are_read_as_they_were_sent(storage: ResultStorage, inputs: dict[str, Any]) -> None:
    assert storage.read_inputs(storage.write_inputs(inputs)) == inputs


def test_inputs_are_removed(storage: ResultStorage) -> None:
    storage.delete_inputs(storage.write_inputs({"a": 1}))
    assert files(storage) == []


def test_removing_inputs_twice_is_removing_them_once(storage: ResultStorage) -> None:
    reference = storage.write_inputs({"a": 1})
    storage.delete_inputs(reference)
    storage.delete_inputs(reference)
    assert files(storage) == []


def test_inputs_that_are_gone_are_missing(storage: ResultStorage) -> None:
    with pytest.raises(ResultMissing):
        storage.read_inputs(f"inputs/{uuid4()}.json")


# ---- storage that does not work


def test_storage_that_works_passes_the_check_and_keeps_nothing_of_it(
    storage: ResultStorage,
) -> None:
    storage.check()
    assert files(storage) == []


OPERATIONS: dict[str, Callable[[ResultStorage], object]] = {
    "write an output": write,
    "write a manifest": lambda storage: storage.write_manifest(manifest_of()),
    "write inputs": lambda storage: storage.write_inputs({}),
    "write a checkpoint": lambda storage: storage.write_checkpoint(JOB, 1),
    "check": ResultStorage.check,
}
READING: dict[str, Callable[[ResultStorage], object]] = {
    "read a manifest": lambda storage: storage.read_manifest(JOB),
    "read inputs": lambda storage: storage.read_inputs("inputs/x.json"),
    "read a checkpoint": lambda storage: storage.read_checkpoint(JOB),
}
cannot = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))


@pytest.fixture
def file_in_the_way(tmp_path: Path) -> ResultStorage:
    """Storage that cannot be written, not even by root."""
    (tmp_path / "results").write_text("I am a file.")
    return ResultStorage(str(tmp_path / "results"))


@pytest.mark.parametrize(
    "operation", [*OPERATIONS.values(), *READING.values()], ids=[*OPERATIONS, *READING]
)
def test_storage_that_cannot_be_used_is_named(
    file_in_the_way: ResultStorage, operation: Callable[[ResultStorage], object]
) -> None:
    with pytest.raises(StorageUnavailable) as caught:
        operation(file_in_the_way)
    assert file_in_the_way.url in str(caught.value)


class NoBucketFileSystem(MemoryFileSystem):
    """An object store without the bucket; s3fs says so with a `FileNotFoundError`, too."""

    protocol = "nobucket"

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        raise FileNotFoundError("The specified bucket does not exist")


@cannot
def test_a_bucket_that_does_not_exist_is_named(
    operation: Callable[[ResultStorage], object],
) -> None:
    fsspec.register_implementation("nobucket", NoBucketFileSystem, clobber=True)
    storage = ResultStorage("nobucket://results")
    with pytest.raises(StorageUnavailable) as caught:
        operation(storage)
    assert "nobucket://results" in str(caught.value)


class OddFileSystem(MemoryFileSystem):
    """A back end with errors of its own."""

    protocol = "odd"

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        raise RuntimeError("token expired")


@cannot
def test_the_back_end_s_own_words_are_passed_on(
    operation: Callable[[ResultStorage], object],
) -> None:
    fsspec.register_implementation("odd", OddFileSystem, clobber=True)
    with pytest.raises(StorageUnavailable, match="token expired"):
        operation(ResultStorage("odd://results"))


class ForgetfulFileSystem(MemoryFileSystem):
    """A back end that takes everything and keeps nothing."""

    protocol = "forgetful"

    def cat_file(self, path: str, *_: Any, **__: Any) -> bytes:
        raise FileNotFoundError(path)


def test_storage_that_forgets_does_not_pass_the_check() -> None:
    fsspec.register_implementation("forgetful", ForgetfulFileSystem, clobber=True)
    with pytest.raises(StorageUnavailable, match="forgets"):
        ResultStorage("forgetful://results").check()


def test_naming_a_storage_touches_nothing(tmp_path: Path) -> None:
    ResultStorage(str(tmp_path / "results"))
    assert not (tmp_path / "results").exists()


class TalkativeFileSystem(MemoryFileSystem):
    """A back end that repeats what it was told."""

    protocol = "talkative"

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._told = options

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        raise RuntimeError(f"refused: {self._told}")


@cannot
def test_secrets_are_not_repeated(
    operation: Callable[[ResultStorage], object], caplog: pytest.LogCaptureFixture
) -> None:
    fsspec.register_implementation("talkative", TalkativeFileSystem, clobber=True)
    options = {"nested": {"account_key": "s3cr3t"}, "password": "hidden", "region": "north"}
    storage = ResultStorage("talkative://results", options)
    with pytest.raises(StorageUnavailable, match="north") as caught:
        operation(storage)
    said = f"{caught.value} {storage!r} {caplog.text}"
    assert "s3cr3t" not in said and "hidden" not in said


def test_a_password_in_the_url_is_not_repeated() -> None:
    fsspec.register_implementation("odd", OddFileSystem, clobber=True)
    with pytest.raises(StorageUnavailable) as caught:
        ResultStorage("odd://user:s3cr3t@host/x").check()
    assert "s3cr3t" not in str(caught.value) and "***@host/x" in str(caught.value)


def test_a_back_end_that_is_not_installed_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: str) -> Any:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(ConfigurationError, match="pip install s3fs") as caught:
        ResultStorage("s3://results")
    assert caught.value.faults[0].pointer == "/server/manager/result_storage"
