"""qcow2 as written, field by field (docs/interop/qcow2.txt of QEMU), and under `qemu-img check`."""

from __future__ import annotations

import json
import struct
from collections import Counter
from pathlib import Path

import pytest

from imageport.disk.copy import copy
from imageport.disk.create import create_disk
from imageport.disk.open import open_disk
from imageport.model.target import DiskFormat
from tests.contract.disk import qemu

CLUSTER = 64 * 1024


@pytest.fixture(scope="module")
def path(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("qcow2") / "out.qcow2"
    with open_disk(sample) as reader:
        copy(reader, create_disk(path, DiskFormat.QCOW2, reader.size))
    return path


def _numbers(file: bytes, offset: int, count: int, kind: str = "Q") -> tuple[int, ...]:
    return struct.unpack_from(f">{count}{kind}", file, offset)


def test_header(path: Path) -> None:
    file = path.read_bytes()
    assert file[:4] == b"QFI\xfb"
    assert _numbers(file, 4, 1, "I") == (3,)
    assert file[8:20] == bytes(12), "no backing file"
    assert _numbers(file, 20, 1, "I") == (16,)
    assert _numbers(file, 24, 1) == (qemu.SAMPLE_SIZE,)
    assert _numbers(file, 32, 2, "I") == (0, 1), "no encryption, one L1 entry"
    assert _numbers(file, 40, 1)[0] % CLUSTER == 0
    assert file[60:72] == bytes(12), "no snapshots"
    assert file[72:96] == bytes(24), "no feature that a reader might lack"
    assert _numbers(file, 96, 2, "I") == (4, 104)
    assert not any(file[104:CLUSTER]), "no header extensions"
    assert len(file) % CLUSTER == 0


def test_every_cluster_of_the_file_is_used_once(path: Path) -> None:
    file = path.read_bytes()
    uses = Counter([0])
    (l1,), (refcounts,) = _numbers(file, 40, 1), _numbers(file, 48, 1)
    uses[l1] += 1
    uses[refcounts] += 1
    (l1_entry,), (block, *rest) = _numbers(file, l1, 1), _numbers(file, refcounts, CLUSTER // 8)
    assert not any(rest)
    uses[block] += 1
    assert l1_entry >> 63 == 1, "used once"
    l2 = l1_entry & ~(1 << 63)
    uses[l2] += 1
    for entry in _numbers(file, l2, CLUSTER // 8):
        if entry:
            assert entry >> 63 == 1
            uses[entry & ~(1 << 63)] += 1
    assert set(uses.values()) == {1}
    assert sorted(uses) == list(range(0, len(file), CLUSTER))
    counts = _numbers(file, block, CLUSTER // 2, "H")
    assert counts == (1,) * len(uses) + (0,) * (CLUSTER // 2 - len(uses))


def test_qemu_counts_the_same(path: Path) -> None:
    said = json.loads(qemu.run("qemu-img", "check", "-f", "qcow2", "--output=json", path))
    assert said["check-errors"] == 0
    assert said["image-end-offset"] == path.stat().st_size
    assert not {"leaks", "corruptions"} & said.keys()
