"""Unpacking what an engine collected: names are the guest's, and nothing leaves the folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from imageport.jobs.bundle import unpack
from imageport.jobs.folder import job_folder, job_id
from imageport.jobs.leftovers import find_leftovers, remove_leftovers
from imageport.model.diagnostics import DiagnosticsWants
from imageport.model.job import ConvertRequest, DiagnosticsRequest


def test_names_become_such_that_a_share_takes_them(tmp_path: Path) -> None:
    archive = tmp_path / "collection.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("a/b.log", "../up", "/root", "x/../../y", "a/q?:*.log", "a/dot.", "a/\n"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        link = tarfile.TarInfo("a/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    folder = tmp_path / "bundle"
    folder.mkdir()
    unpack(archive, folder)
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert found == ["a/_", "a/b.log", "a/dot", "a/q___.log", "root", "up", "x/y"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "collection.tar"]


def test_a_request_is_read_back_as_what_it_was(own_home: Path) -> None:
    del own_home
    wanted = DiagnosticsRequest("/a.vhdx", "/folder", DiagnosticsWants(own_data=False))
    converted = ConvertRequest("/a.vhdx", "/folder")
    for request in (wanted, converted):
        folder = job_folder(request)
        folder.make(request)
        assert folder.request == request
        assert folder.id == job_id(request)


def test_leftovers_of_killed_diagnostics(own_home: Path, tmp_path: Path) -> None:
    """Here they are removed; what is on a share is named, since removing takes its account."""
    here = DiagnosticsRequest("/a.vhdx", str(tmp_path), DiagnosticsWants())
    there = DiagnosticsRequest("/a.vhdx", "smb://host/share/", DiagnosticsWants())
    folders = [job_folder(request) for request in (here, there)]
    for folder, request in zip(folders, (here, there), strict=True):
        folder.make(request)
    partial = tmp_path / f"a-diagnostics-{folders[0].id}.partial"
    (partial / "windows").mkdir(parents=True)
    remote = f"smb://host/share/a-diagnostics-{folders[1].id}.partial"
    named = {each.name for each in find_leftovers() if each.kind == "partial-output"}
    assert named == {str(partial), remote}
    remove_leftovers()
    assert not partial.exists()
    assert not list((own_home / "jobs").iterdir())
