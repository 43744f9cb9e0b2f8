"""The search finds what is there: else what it does not find says nothing."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.secrets.search import Secret, in_files, in_processes, seen

_TEXT = 'Dünn "is" Eight/Plus+'
_SECRET = Secret("planted", _TEXT)


@pytest.mark.parametrize("form", _SECRET.forms)
def test_every_form_is_found_in_a_planted_file(tmp_path: Path, form: str) -> None:
    (tmp_path / "below").mkdir()
    file = tmp_path / "below" / "file"
    noise = os.urandom(1 << 16)
    file.write_bytes(noise + noise)
    assert not in_files([_SECRET], tmp_path)
    file.write_bytes(noise + _SECRET.forms[form] + noise)
    assert f"planted ({form}) in {file}" in in_files([_SECRET], tmp_path)


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_base64_of_a_document_around_it_is_found(before: int, encoding: str) -> None:
    document = (b"{" * before) + _TEXT.encode(encoding) + b"...}"
    assert seen([_SECRET], "here", base64.b64encode(document))
    assert seen([_SECRET], "here", base64.urlsafe_b64encode(document))
    assert not seen([_SECRET], "here", base64.b64encode(document[:-8]))


def test_a_file_that_may_have_it() -> None:
    known = Secret("planted", _TEXT, known=("master.key",))
    assert not seen([known], "/home/master.key", _TEXT.encode())
    assert seen([known], "/home/other.key", _TEXT.encode())


def test_a_files_name(tmp_path: Path) -> None:
    (tmp_path / "Open-Sesame").touch()
    assert in_files([Secret("planted", "Open-Sesame")], tmp_path)


@pytest.mark.parametrize("where", ["cmdline", "environ"])
def test_it_is_found_in_a_process(where: str) -> None:
    secret = Secret("planted", "Open-Sesame")
    argv = ["sh", "-c", "echo; read word", "Open-Sesame" if where == "cmdline" else "-"]
    more = {"WORD": "Open-Sesame"} if where == "environ" else {}
    process = subprocess.Popen(
        argv, env={**os.environ, **more}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout
        process.stdout.readline()
        found = in_processes([secret], below=os.getpid())
        assert f"planted (utf-8) in {where} of {process.pid}" in found
    finally:
        process.kill()
        process.communicate()
