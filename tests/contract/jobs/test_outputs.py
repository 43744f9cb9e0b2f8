"""Outputs keep their word in a folder and on a real share alike."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imageport.disk.base import MIB, ResumableWriter
from imageport.disk.child import create_child_of
from imageport.disk.create import create_disk
from imageport.disk.ends.open import Access
from imageport.disk.errors import DiskError
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk
from imageport.disk.treehash import tree_hash
from imageport.jobs.errors import ChildFolder, NoSpace, OutputExists
from imageport.jobs.outputs.base import Output
from imageport.jobs.outputs.open import output_at
from imageport.jobs.proof import check_proof, read_proof
from imageport.model.conversion import Conversion, Layout
from imageport.model.job import ConvertRequest
from imageport.model.proof import ConversionProof, DiskProof
from imageport.model.target import DiskFormat
from tests.contract.ends.samba import Samba

SIZE = 8 * MIB


@dataclass(frozen=True)
class Place:
    """A folder for outputs, here or on a share, as it is here."""

    folder: Path
    address: str
    access: Access
    state: Path

    def output(self, name: str = "win.vhdx", *, overwrite: bool = False) -> Output:
        address = f"{self.address}/{name}"
        return output_at(address, self.access, self.state, overwrite=overwrite)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Samba]:
    server = Samba(tmp_path_factory.mktemp("samba"))
    yield server
    server.kill()


@pytest.fixture(params=["local", "share"])
def place(request: pytest.FixtureRequest, tmp_path: Path, own_home: Path) -> Place:
    state = tmp_path / "state"
    state.mkdir()
    if request.param == "local":
        folder = tmp_path / "out"
        folder.mkdir()
        return Place(folder, str(folder), Access(), state)
    samba: Samba = request.getfixturevalue("samba")
    folder = samba.data / tmp_path.name
    folder.mkdir()
    address = f"smb://127.0.0.1:{samba.port}/data/{tmp_path.name}"
    return Place(folder, address, Access(samba.account), state)


def write(output: Output, content: bytes = b"content" * 512) -> str:
    """Write a disk to it; the root of its tree hash."""
    writer = create_disk(output.target(resume=True), DiskFormat.VHDX, SIZE)
    writer.write(MIB, memoryview(content))
    writer.finish()
    with output.open() as reader:
        return tree_hash(reader).root.hex()


def proof(output: Output, root: str, job: str = "job") -> ConversionProof:
    disk = DiskProof(output.address, DiskFormat.VHDX, SIZE, 0, root)
    request = ConvertRequest("source", output.address)
    done = Conversion(Layout("guid", (), 1), (), (), 0.0)
    return ConversionProof(job, "0", "engine", "", "", request, disk, disk, done)


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "boot-serial.txt").write_text("login:")
    return folder


def test_it_has_its_name_with_its_proof(place: Place, evidence: Path) -> None:
    output = place.output()
    assert output.check(MIB, SIZE) == []
    root = write(output)
    assert "win.vhdx" not in place.names()
    assert output.proven() is None
    made = output.prove(proof(output, root), evidence)
    assert set(made.files) == {"boot-serial.txt"}
    assert output.proven() == made
    (beside,) = (name for name in place.names() if name != "win.vhdx")
    assert beside in ("win.vhdx.proof", "win.vhdx.proof.zip")
    with open_disk(place.folder / "win.vhdx") as reader:
        assert tree_hash(reader).root.hex() == root
    assert read_proof(place.folder / beside) == made
    assert check_proof(place.folder / beside)
    output.remove_unfinished()
    assert len(place.names()) == 2
    with pytest.raises(OutputExists):
        output.check(MIB, SIZE)


def test_what_is_there_stays_until_it_is_replaced(place: Place, evidence: Path) -> None:
    first = place.output()
    first.prove(proof(first, write(first)), evidence)
    second = place.output(overwrite=True)
    assert second.check(MIB, SIZE) == []
    root = write(second, b"newer!!" * 512)
    second.remove_unfinished()
    assert len(place.names()) == 2, "a job that failed takes nothing along"
    found = first.proven()
    assert found
    assert found.output.root != root
    root = write(second, b"newer!!" * 512)
    second.prove(proof(second, root, "second"), evidence)
    with open_disk(place.folder / "win.vhdx") as reader:
        assert tree_hash(reader).root.hex() == root
    found = second.proven()
    assert found
    assert (found.job, len(place.names())) == ("second", 2)


def _unproven(place: Place, evidence: Path) -> None:
    write(place.output())


def _partial(place: Place, evidence: Path) -> None:
    writer = create_disk(place.output().target(resume=True), DiskFormat.VHDX, SIZE)
    assert isinstance(writer, ResumableWriter)
    writer.write(0, memoryview(b"partial!" * 64))
    writer.suspend()


def _proven_without_its_name(place: Place, evidence: Path) -> None:
    output = place.output()
    output.prove(proof(output, write(output)), evidence)
    (place.folder / "win.vhdx").rename(place.folder / "win.unproven.vhdx")


@pytest.mark.parametrize("left", [_unproven, _partial, _proven_without_its_name])
def test_nothing_of_an_unfinished_job_stays(
    place: Place, evidence: Path, left: Callable[[Place, Path], None]
) -> None:
    (place.folder / "other.vhdx").touch()
    left(place, evidence)
    assert len(place.names()) > 1
    assert place.output().proven() is None
    place.output().remove_unfinished()
    assert place.names() == ["other.vhdx"]
    place.output().remove_unfinished()


def test_a_child_beside_its_parent(place: Place) -> None:
    parent = place.output()
    write(parent)
    (place.folder / "win.unproven.vhdx").rename(place.folder / "win.vhdx")
    output = place.output("win.1.avhdx")
    name = output.check_beside(parent.address)
    assert name == "win.vhdx"
    before = (place.folder / "win.vhdx").read_bytes()
    for target in (output.trial(), output.target(resume=False)):
        child = create_child_of(_reader(place), target, DiskFormat.VHDX, name)
        child.write(4 * MIB, memoryview(b"child!!!" * 64))
        child.abort() if "trial" in target.name else child.finish()
    with output.open() as found, open_disk(place.folder / "win.vhdx") as parent_disk:
        buffer, expected = bytearray(SIZE), bytearray(SIZE)
        found.read_into(0, buffer)
        parent_disk.read_into(0, expected)
    expected[4 * MIB : 4 * MIB + 512] = b"child!!!" * 64
    assert buffer == expected
    assert (place.folder / "win.vhdx").read_bytes() == before
    assert place.names() == ["win.1.unproven.avhdx", "win.vhdx"]
    with pytest.raises(ChildFolder):
        output.check_beside(f"{place.address}/other/win.vhdx")
    with pytest.raises(ChildFolder):
        output.check_beside("nbd://127.0.0.1/win.vhdx")


def _reader(place: Place) -> MappedReader:
    return open_disk(place.folder / "win.vhdx")


def test_evidence_of_a_failure_is_kept(place: Place, evidence: Path) -> None:
    output = place.output()
    assert "failure" in output.keep_evidence(evidence)
    output.keep_evidence(evidence)
    (name,) = place.names()
    if name.endswith(".zip"):
        with zipfile.ZipFile(place.folder / name) as archive:
            assert archive.read("boot-serial.txt") == b"login:"
    else:
        assert (place.folder / name / "boot-serial.txt").read_text() == "login:"


def test_a_place_that_cannot_be_written_to(place: Place) -> None:
    with pytest.raises((NoSpace, DiskError)):
        place.output().check(1 << 60, SIZE)
    nowhere = output_at(f"{place.address}/none/win.vhdx", place.access, place.state)
    with pytest.raises(Exception, match=r"none|no such folder"):
        nowhere.check(MIB, SIZE)


def test_a_small_share(samba: Samba, tmp_path: Path) -> None:
    address = f"smb://127.0.0.1:{samba.port}/small/win.vhdx"
    output = output_at(address, Access(samba.account), tmp_path)
    (warning,) = output.check(MIB, 16 * MIB)
    assert "advised" in warning
    with pytest.raises(NoSpace):
        output.check(64 * MIB, 64 * MIB)
