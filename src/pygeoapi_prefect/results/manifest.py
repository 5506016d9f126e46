"""The manifest: what a job made. It is written last, so where it is, everything it names is."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Kind(StrEnum):
    """What the bytes of an output hold."""

    JSON = "json"
    TEXT = "text"
    BINARY = "binary"


class Output(BaseModel):
    """One output.

    Attributes:
        id: the output's id in the process description.
        media_type: its media type.
        kind: what its bytes hold; text is UTF-8.
        key: where it is, relative to the job's folder.
        size: bytes.
        sha256: checksum of the bytes, hexadecimal.
        members_are_outputs: whether its JSON object holds several outputs, one in each member.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    media_type: str
    kind: Kind
    key: str
    size: int
    sha256: str
    members_are_outputs: bool = False


class Manifest(BaseModel):
    """What a job made and how its client wants it.

    Attributes:
        version: of this format.
        job_id: the job.
        process_id: the process it ran.
        as_document: whether it wants them in one JSON document instead of raw.
        requested: the ids of the outputs the client asked for; None = all.
        by_reference: the ids of the outputs the client asked for as links.
        service_url: where the service is for its clients; None if it is not known.
        process_version: the version of the process that made it; None if that is not known.
        code: what changes when the code of the process does; None if that is not known.
        outputs: what there is, in the order it was made.
    """

    model_config = ConfigDict(frozen=True)

    version: int = 1
    job_id: str
    process_id: str
    as_document: bool = False
    requested: tuple[str, ...] | None = None
    by_reference: tuple[str, ...] = ()
    service_url: str | None = None
    process_version: str | None = None
    code: str | None = None
    outputs: tuple[Output, ...]

    @property
    def selected(self) -> tuple[Output, ...]:
        """The outputs that the client asked for; all if it asked for none in particular."""
        return tuple(
            output
            for output in self.outputs
            if not self.requested or output.members_are_outputs or output.id in self.requested
        )
