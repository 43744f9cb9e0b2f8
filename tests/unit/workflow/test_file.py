"""Workflow files: what is understood, and what is refused on which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.wire.stored import ImageFormat
from imageport.workflow.errors import WorkflowInvalid, WorkflowUnreadable
from imageport.workflow.file import MOST_TARGETS, Workflow, read_workflow
from tests.unit.workflow.files import GOOD, written


def read(folder: Path, text: str) -> Workflow:
    return read_workflow(written(folder, text))[0]


def refused(folder: Path, text: str) -> dict[int, list[str]]:
    """What is said of each line."""
    with pytest.raises(WorkflowInvalid) as caught:
        read(folder, text)
    found: dict[int, list[str]] = {}
    for each in caught.value.data["problems"]:
        found.setdefault(each["line"], []).append(each["problem"])
    return found


def test_what_is_understood(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    assert (found.name, found.location, found.names) == ("golden", "here", ("azure", "store"))
    azure, store = found.targets
    assert azure.driver_library == store.driver_library == "virtio-win.iso"
    # A target's own word wins, in whatever case either is.
    assert (azure.try_untouched, store.try_untouched) == (False, True)
    assert azure.output.disk == "azure.vhd"
    assert store.output.share
    assert store.output.share.format is ImageFormat.VHDX
    assert store.output.share.credential == "store"


def test_targets_without_names_have_the_platforms(tmp_path: Path) -> None:
    text = "source: {disk: a}\ntargets:\n"
    text += "  - {platform: Gcp, output: {disk: a.raw}}\n"
    text += "  - {platform: Gcp, output: {disk: b.raw}}\n"
    text += "  - {platform: Aws, name: gcp, output: {disk: c.raw}}\n"
    assert read(tmp_path, text).names == ("gcp-2", "gcp-3", "gcp")


TARGET = "  - {platform: Azure, output: {disk: a.vhd}}"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("driverLibrary", "driverLibary", 5, "defaults: unknown field driverLibary; did you mean "
         "driverLibrary?"),
        ("provisioningType", "provisionType", 10, "did you mean provisioningType?"),
        ("credential: store", "credentialId: store", 13, "did you mean credential?"),
        ("tryuntouched: true", "tryuntouched: perhaps", 11, "targets.2.tryUntouched"),
        ("platform: Pvs", "platform: Hyperv", 9, "'Azure'"),
        ("    platform: Pvs\n", "", 8, "targets.2.platform: is missing"),
        ("disk: master.vmdk", "path: master.vmdk", 4, "unknown field path"),
        ("{disk: azure.vhd}", "{}", 7, "either disk or share"),
        ("tryuntouched: true", "installPvs: 2402", 11, "in quotes"),
        ("smb://pvs/store/", "smb://me:hunter2@pvs/store/", 13, "names no account"),
        ("credential: store", "credential: store, password: hunter2", 13, "secrets have no place"),
        ("name: golden", "name: golden\nname: silver", 2, "name is there twice"),
        ("name: golden", "name: golden\nNAME: silver", 1, "name is there twice"),
        ("name: golden", "name: golden image", 1, "has characters that it may not have"),
        ("name: golden", "name: [golden", 2, "this is no YAML"),
        ("name: golden", "name: !!python/object:os.system golden", 1, "this is no YAML"),
        ("name: golden", "name: 2026-13-45", 1, "this is no value"),
        ("name: golden", "name: 2026-12-05", 1, "in quotes"),
        ("name: golden", "additionalTargets: []", 1, "unknown field additionalTargets"),
        ("defaults: {", "defaults: {output: {disk: a}, ", 5, "output is each target's own"),
        ("win11", "win/11", 13, "must be a file's name"),
        ("  disk: master.vmdk", "  - master.vmdk", 3, "must have fields of its own"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    found = refused(tmp_path, GOOD.replace(old, new, 1))
    assert any(said in text for text in found.get(line, [])), found
    assert "hunter2" not in str(found)


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("driverLibrary", "driverLib").replace("m: Pvs\n", "m: Psv\n")
    found = refused(
        tmp_path, text.replace("platform: Azure, ", "").replace("  disk: m", "  disc: m")
    )
    assert list(found) == [4, 5, 7, 9]


def test_two_targets_do_not_have_the_same_name(tmp_path: Path) -> None:
    one, other = (f"  - {{name: x, platform: Gcp, output: {{disk: {disk}}}}}" for disk in "ab")
    found = refused(tmp_path, f"source: {{disk: a}}\ntargets:\n{one}\n{other}\n")
    assert found == {4: ["targets: this one has the name x, as that of line 3 does"]}


def test_two_targets_do_not_write_the_same(tmp_path: Path) -> None:
    text = f"source: {{disk: a}}\ntargets:\n{TARGET}\n{TARGET}\n"
    assert refused(tmp_path, text) == {
        4: ["targets: this one writes a.vhd, as that of line 3 does"]
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there are no fields"),
        ("- a\n", "there are no fields"),
        ("source: {disk: a}\ntargets: []\n", "at least 1"),
        ("source: {disk: a}\n", "targets: is missing"),
        ("a: &a [*a]\n", "too much"),
        ("a: 1\n---\nb: 1\n", "no YAML"),
        ("a: \x01\n", "no YAML"),
        ("? [a]\n: 1\n", "must be a word"),
    ],
)
def test_no_workflows(tmp_path: Path, text: str, said: str) -> None:
    assert said in str(refused(tmp_path, text))


def test_aliases_of_aliases_are_too_much(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1,1]"]
    for at in range(1, 9):
        lines.append(f"a{at}: &a{at} [{','.join([f'*a{at - 1}'] * 10)}]")
    assert "too much" in str(refused(tmp_path, "\n".join(lines)))


def test_too_many_targets(tmp_path: Path) -> None:
    rows = [f"  - {{platform: Gcp, output: {{disk: '{at}'}}}}" for at in range(MOST_TARGETS + 1)]
    assert "at most 64" in str(refused(tmp_path, "source: {disk: a}\ntargets:\n" + "\n".join(rows)))


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(WorkflowUnreadable, match="No such file"):
        read_workflow(tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WorkflowUnreadable, match="UTF-8"):
        read_workflow(binary)
    binary.write_bytes(b"#" * (2 << 20))
    with pytest.raises(WorkflowUnreadable, match="1 MiB"):
        read_workflow(binary)
