"""What jobs need of the place that their output goes to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

from imageport.disk.mapped import MappedReader
from imageport.disk.target import TargetFile
from imageport.model.proof import AnyProof, ConversionProof, Proof

P = TypeVar("P", Proof, ConversionProof)


class Output(Protocol):
    """A file to be written. Methods raise `DiskError`, and what they say."""

    address: str
    """A path, or `smb://...`."""

    def check(self, needed: int, virtual_size: int) -> list[str]:
        """Whether it can be written: warnings, or OutputExists, OutputFolder, NoSpace.

        `needed`: the bytes that the file will have at least.
        """

    def check_beside(self, source: str) -> str:
        """The name of the file `source`, which has to lie in the same folder. Raises
        ChildFolder."""

    def trial(self) -> TargetFile:
        """A file of another name, to be begun and given up."""

    def target(self, *, resume: bool) -> TargetFile:
        """What to write to; a complete file of an earlier attempt is removed."""

    def open(self) -> MappedReader:
        """What was written, as long as it is not proven."""

    def proven(self) -> AnyProof | None:
        """The proof of what is there under the output's own name."""

    def prove(self, proof: P, evidence: Path) -> P:
        """Write the proof, with the files of the folder `evidence`; then give the output its name.

        Returns the proof with its files' checksums. Raises ProofUnwritable.
        """

    def keep_evidence(self, evidence: Path) -> str:
        """Keep the files of a boot that failed beside the output; where. Raises OSError, too."""

    def remove_unfinished(self) -> None:
        """Remove what an unfinished job has written."""
