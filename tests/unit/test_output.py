"""What is removed beside an output that was not finished, and what is not."""

from __future__ import annotations

from pathlib import Path

from imageport.jobs.output import remove_unfinished, unfinished, unproven


def _proof(output: Path, suffix: str = "") -> Path:
    folder = output.with_name(f"{output.name}.proof{suffix}")
    folder.mkdir()
    (folder / "proof.json").write_text("{}")
    return folder


def test_nothing_of_an_unfinished_output_stays(tmp_path: Path) -> None:
    output = tmp_path / "out.raw"
    other = tmp_path / "other.raw"
    other.touch()
    for name in ("out.unproven.raw", "out.unproven.raw.partial", "out.unproven.raw.partial.blocks"):
        (tmp_path / name).touch()
    _proof(output, ".partial")
    _proof(output)
    assert len(unfinished(output)) == 5
    remove_unfinished(output)
    assert list(tmp_path.iterdir()) == [other]
    assert unfinished(output) == []


def test_a_finished_output_keeps_its_proof(tmp_path: Path) -> None:
    output = tmp_path / "out.raw"
    unproven(output).touch()
    proof = _proof(output)
    assert unfinished(output) == [unproven(output), proof]
    unproven(output).rename(output)
    assert unfinished(output) == []
    remove_unfinished(output)
    assert sorted(tmp_path.iterdir()) == [output, proof]
