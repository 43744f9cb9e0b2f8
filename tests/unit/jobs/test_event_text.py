"""Event logs as text: what our writer wrote, two readers read alike; damage costs what it hit."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyevtx
import pytest

from imageport.jobs import event_text
from imageport.jobs.event_text import Event, events, parsed, write_texts
from lab.guests.event_log import CHUNK, LoggedEvent, event_log

BEGAN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def logged(count: int) -> list[LoggedEvent]:
    return [
        LoggedEvent(
            BEGAN + timedelta(seconds=number, microseconds=1000 * number),
            1 + number % 5,
            f"Provider {number % 3}",
            7000 + number,
            (("param1", f"<ü & {number}>"), ("param2", "")),
        )
        for number in range(count)
    ]


@contextmanager
def opened(log: Path) -> Iterator[pyevtx.file]:
    file = pyevtx.file()
    file.open(str(log))
    yield file
    file.close()


def lines(log: Path) -> list[str]:
    return log.with_suffix(".txt").read_text().splitlines()


def test_both_readers_read_what_the_lab_wrote(tmp_path: Path) -> None:
    """libevtx is a reader of other makers than the one that we use."""
    written, log = logged(200), tmp_path / "System.evtx"
    log.write_bytes(event_log(written))
    assert log.stat().st_size > 3 * CHUNK
    damage: list[str] = []
    read = list(events(log, damage))
    assert not damage
    with opened(log) as other:
        assert other.number_of_records == len(read) == len(written)
        assert not other.is_corrupted()
        for event, wrote, record in zip(read, written, other.records, strict=True):
            assert (event.provider, event.id, event.computer) == (
                record.source_name,
                record.event_identifier,
                record.computer_name,
            )
            assert (event.provider, event.id) == (wrote.provider, wrote.id)
            assert record.event_level == wrote.level
            assert datetime.fromisoformat(event.time) == wrote.time
            assert record.written_time == wrote.time.replace(tzinfo=None)
            assert event.data == (("param1", record.get_string(0)),)
            assert event.data == (wrote.data[0],)


def test_a_line_has_its_parts(tmp_path: Path) -> None:
    log = tmp_path / "System.evtx"
    wrote = LoggedEvent(BEGAN, 2, "Disk\tand more", 11, (("a", "1\r\n2026"), ("b", "\x1b[2J")))
    log.write_bytes(event_log([wrote]))
    assert write_texts([log]) == []
    (line,) = lines(log)
    assert line.startswith("2026-03-01T09:00:00Z\tError\tDisk\\x09and more\t11\tMASTER01\t")
    assert line.endswith("\ta=1\\x0d\\x0a2026; b=\\x1b[2J")
    assert next(parsed(log.with_suffix(".txt"))) == Event(
        "2026-03-01T09:00:00Z",
        "Error",
        "Disk\\x09and more",
        11,
        "MASTER01",
        (("", "a=1\\x0d\\x0a2026; b=\\x1b[2J"),),
    )


def test_what_windows_wrote_over_its_beginning_is_in_order(tmp_path: Path) -> None:
    log = tmp_path / "System.evtx"
    content = event_log(logged(200))
    head, chunks = content[:4096], content[4096:]
    turned = chunks[CHUNK:] + chunks[:CHUNK]
    log.write_bytes(head + turned)
    assert [event.id for event in events(log, [])] == [7000 + number for number in range(200)]


def test_a_damaged_chunk_costs_its_own_events_and_is_told_of(tmp_path: Path) -> None:
    log = tmp_path / "System.evtx"
    content = bytearray(event_log(logged(200)))
    content[4096 + CHUNK : 4096 + CHUNK + 8] = b"no chunk"
    log.write_bytes(content)
    (problem,) = write_texts([log])
    assert problem.startswith("System.evtx is damaged: ")
    first = len(list(events(log, [])))
    assert 0 < first < 200
    assert len(lines(log)) == first


@pytest.mark.parametrize("content", [b"", b"ElfFile\0" + bytes(70_000), b"text" * 4096])
def test_what_is_no_log_is_told_of(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "System.evtx"
    log.write_bytes(content)
    (problem,) = write_texts([log])
    assert problem.startswith("System.evtx is damaged: ")
    assert lines(log) == []


def test_a_reader_that_dies_costs_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a folder in the place of the text kills it, as a mistake in the reader would."""
    logs = [tmp_path / f"{name}.evtx" for name in ("a", "b", "c")]
    for log in logs:
        log.write_bytes(event_log(logged(3)))
    logs[1].with_name("b.txt.partial").mkdir()
    assert write_texts(logs) == ["b.evtx cannot be turned into text."]
    assert [len(lines(log)) for log in (logs[0], logs[2])] == [3, 3]
    monkeypatch.setattr(event_text, "_SECONDS", 0.01)
    logs[2].with_suffix(".txt").unlink()
    assert write_texts([logs[2]]) == ["c.evtx cannot be turned into text."]


def test_its_free_space_tells_an_empty_log() -> None:
    (free,) = struct.unpack_from("<I", event_log([]), 4096 + 48)
    assert free == 512
