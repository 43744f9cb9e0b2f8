from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imageport.guest.errors import UnreadableInitramfsError
from imageport.guest.linux import cpio, initramfs

MAIN = cpio.archive([("a", 0o040755, b""), ("a/virtio-scsi.ko.xz", 0o100644, b"x" * 5000)])
MORE = cpio.archive([("b.ko", 0o100644, b"b")])


def zstd(data: bytes, *options: str) -> bytes:
    return subprocess.run(
        ["zstd", "-qc", *options], input=data, capture_output=True, check=True
    ).stdout


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda data: data,
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstd,
}


@pytest.mark.parametrize("form", list(FORMS))
def test_forms_and_what_is_appended(tmp_path: Path, form: str) -> None:
    image = tmp_path / "initrd"
    image.write_bytes(MORE + bytes(700) + FORMS[form](MAIN))
    image.chmod(0o600)
    seen: dict[str, bytes] = {}
    contents = initramfs.read(image, lambda m, content: seen.update({m.path: content()}))
    assert contents.compression == form
    assert contents.modules == {"virtio_scsi", "b"}
    assert seen["a/virtio-scsi.ko.xz"] == b"x" * 5000
    initramfs.append(image, cpio.archive([("c.ko", 0o100644, b"c")]))
    assert initramfs.read(image).modules == {"virtio_scsi", "b", "c"}
    assert image.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["initrd"]


@pytest.mark.parametrize("options", [("--no-check",), ("-19",), ("--ultra", "-22"), ("--fast",)])
def test_zstd_frames_end_where_they_end(tmp_path: Path, options: tuple[str, ...]) -> None:
    image = tmp_path / "initrd"
    noise = cpio.archive(
        [("noise", 0o100644, os.urandom(400_000)), ("zero", 0o100644, bytes(9999))]
    )
    data = zstd(noise, *options) + zstd(MAIN, *options)
    image.write_bytes(data + bytes(-len(data) % 4) + MORE)
    assert initramfs.read(image).paths == {"noise", "zero", "a", "a/virtio-scsi.ko.xz", "b.ko"}


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is the other reader")
def test_cpio_reads_what_is_written(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["cpio", "-itv", "--quiet"], input=MAIN, capture_output=True, check=True
    ).stdout.decode()
    assert [line.split()[0] for line in listed.splitlines()] == ["drwxr-xr-x", "-rw-r--r--"]


@pytest.mark.parametrize(
    "content",
    [
        b"not an initramfs",
        MAIN[:3000],
        gzip.compress(MAIN)[:-40],
        zstd(MAIN)[:-9],
        zstd(MAIN)[:6],
        b"\x28\xb5\x2f\xfd" + bytes(3),
        b"070701" + b"z" * 200,
    ],
)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    image = tmp_path / "initrd"
    image.write_bytes(content)
    with pytest.raises(UnreadableInitramfsError) as caught:
        initramfs.read(image)
    assert caught.value.data["path"] == str(image)


def test_empty(tmp_path: Path) -> None:
    image = tmp_path / "initrd"
    image.touch()
    with pytest.raises(UnreadableInitramfsError):
        initramfs.read(image)
