"""What is removed beside an output that was not finished, and what is not."""

from __future__ import annotations

from pathlib import Path

from imageport.jobs.outputs.local import LocalOutput


def _proof(output: Path, suffix: str = "") -> Path:
    folder = output.with_name(f"{output.name}.proof{suffix}")
    folder.mkdir()
    (folder / "proof.json").write_text("{}")
    return folder


def test_nothing_of_an_unfinished_output_stays(tmp_path: Path) -> None:
    output = tmp_path / "out.raw"
    place = LocalOutput(output, overwrite=False)
    other = tmp_path / "other.raw"
    other.touch()
    for name in ("out.unproven.raw", "out.unproven.raw.partial", "out.unproven.raw.partial.blocks"):
        (tmp_path / name).touch()
    _proof(output, ".partial")
    _proof(output)
    assert len(place.unfinished()) == 5
    place.remove_unfinished()
    assert list(tmp_path.iterdir()) == [other]
    assert place.unfinished() == []


def test_a_finished_output_keeps_its_proof(tmp_path: Path) -> None:
    output = tmp_path / "out.raw"
    place = LocalOutput(output, overwrite=False)
    place.unproven.touch()
    proof = _proof(output)
    assert place.unfinished() == [place.unproven, proof]
    place.unproven.rename(output)
    assert place.unfinished() == []
    place.remove_unfinished()
    assert sorted(tmp_path.iterdir()) == [output, proof]
