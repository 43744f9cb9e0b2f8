from __future__ import annotations

import struct
from pathlib import Path

import pytest

from imageport.guest.windows.hive import (
    Hive,
    HiveCorruptError,
    HiveDirtyError,
    HiveInvalidError,
    HiveReadOnlyError,
    HiveUnreadableError,
    HiveValueTooLargeError,
    base_block_checksum,
)
from imageport.guest.windows.registry_value import Value, ValueType
from lab.guests.blank_hive import blank_hive


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "SYSTEM"
    path.write_bytes(blank_hive("ROOT", "SYSTEM"))
    return path


def test_blank_hive_is_empty(file: Path) -> None:
    with Hive.open(file) as hive:
        assert hive.root.name == "ROOT"
        assert hive.root.subkeys() == ()
        assert hive.root.values() == ()
        assert hive.key("Select") is None
        assert hive.root.value("Current") is None


def test_typed_values_survive_commit(file: Path) -> None:
    written = (
        Value.from_text("", "the default value"),
        Value.from_text("Name", "Zoë ✓"),
        Value.from_text("Image", r"%SystemRoot%\x.sys", expand=True),
        Value.from_dword("Start", 0xFFFFFFFF),
        Value.from_qword("Big", 2**63),
        Value.from_binary("Raw", b"\x01\xff\x00\x00"),
        Value.from_binary("Empty", b""),
        Value.from_strings("List", ["one", "two"]),
        Value("Property", 0xFFFF0012, b"ab\0\0"),
    )
    with Hive.open(file, writable=True) as hive:
        key = hive.ensure_key(r"ControlSet001\Services\vioscsi")
        for value in written:
            key.set(value)
        hive.commit()
    with Hive.open(file) as hive:
        read = hive.key(r"controlset001\SERVICES\VioScsi")
        assert read is not None
        assert read.name == "vioscsi"
        assert sorted(read.values(), key=lambda value: value.name) == sorted(
            written, key=lambda value: value.name
        )
        assert read.text("") == "the default value"
        assert read.text("NAME") == "Zoë ✓"
        assert read.text("image") == r"%SystemRoot%\x.sys"
        assert read.number("start") == 0xFFFFFFFF
        assert read.number("big") == 2**63
        assert read.strings("list") == ("one", "two")
        assert read.text("Start") is None
        assert read.number("Name") is None
        assert read.strings("Name") is None


def test_setting_one_value_keeps_the_others(file: Path) -> None:
    with Hive.open(file, writable=True) as hive:
        key = hive.ensure_key("Select")
        key.set_dword("Current", 1)
        key.set_dword("Default", 1)
        key.set_text("CURRENT", "replaced in place")
        hive.commit()
    with Hive.open(file) as hive:
        select = hive.key("Select")
        assert select is not None
        assert len(select.values()) == 2
        assert select.text("Current") == "replaced in place"
        assert select.number("Default") == 1


def test_deletes(file: Path) -> None:
    with Hive.open(file, writable=True) as hive:
        key = hive.ensure_key(r"Services\storvsc\StartOverride")
        key.set_dword("0", 3)
        key.set_dword("1", 4)
        key.set_binary("empty", b"")
        assert key.delete_value("0") is True
        assert key.delete_value("0") is False
        assert [value.name for value in key.values()] == ["1", "empty"]
        assert hive.root.delete_key(r"Services\storvsc") is True
        assert hive.root.delete_key(r"Services\storvsc") is False
        hive.commit()
    with Hive.open(file) as hive:
        services = hive.key("Services")
        assert services is not None
        assert services.subkeys() == ()


def test_last_value_can_be_deleted(file: Path) -> None:
    with Hive.open(file, writable=True) as hive:
        hive.root.set_dword("only", 1)
        assert hive.root.delete_value("ONLY")
        assert hive.root.values() == ()


def test_many_keys_stay_sorted_and_found(file: Path) -> None:
    names = [f"VEN_{vendor:04X}&DEV_{vendor * 7 % 65536:04X}" for vendor in range(400)]
    with Hive.open(file, writable=True) as hive:
        for number, name in enumerate(reversed(names)):
            hive.ensure_key(f"DeviceIds\\PCI\\{name}").set_dword("n", number)
        hive.commit()
    with Hive.open(file) as hive:
        pci = hive.key(r"DeviceIds\PCI")
        assert pci is not None
        assert [key.name for key in pci.subkeys()] == sorted(names, key=str.lower)
        assert pci.subkeys()[0].path == f"DeviceIds\\PCI\\{sorted(names)[0]}"
        for name in names:
            assert pci.key(name.lower()) is not None


def with_segments(file: Path) -> bytes:
    """Write the value `big` as Windows does: data in two segments, a list of them, a `db` record
    ("Big data", msuhanov/regf). Its data."""
    first, second = b"1" * 16_344, b"2" * 656
    with Hive.open(file, writable=True) as hive:
        for name, data in (("first", first), ("second", second), ("list", b"LISTLIST")):
            hive.ensure_key(name).set_binary("part", data)
        hive.ensure_key("large").set_binary("big", b"RECORDXX")
        hive.commit()
    content = bytearray(file.read_bytes())

    def cell(data: bytes) -> int:
        return content.index(data) - 4 - 4096

    listed, record = content.index(b"LISTLIST"), content.index(b"RECORDXX")
    content[listed : listed + 8] = struct.pack("<II", cell(first), cell(second))
    content[record : record + 8] = struct.pack("<2sHI", b"db", 2, listed - 4 - 4096)
    value = content.rindex(b"big") - 20
    assert content[value : value + 2] == b"vk"
    struct.pack_into("<I", content, value + 4, len(first + second))
    file.write_bytes(content)
    return first + second


def test_a_value_in_segments_is_read_and_never_rewritten(file: Path) -> None:
    data = with_segments(file)
    before = file.read_bytes()
    with Hive.open(file, writable=True) as hive:
        key = hive.key("large")
        assert key is not None
        assert key.value("big") == Value.from_binary("big", data)
        with pytest.raises(HiveValueTooLargeError) as refused:
            key.set_dword("small", 1)
        assert "big has 17000 bytes" in refused.value.message
        key.ensure_key("below").set_dword("small", 1)
        hive.commit()
    with Hive.open(file, writable=True) as hive:
        key = hive.key("large")
        assert key is not None
        assert key.value("big") == Value.from_binary("big", data)
        key.set_dword("big", 1)
        key.set_dword("small", 2)
        assert key.delete_value("small")
    assert before != file.read_bytes()


def test_a_value_larger_than_a_cell_is_refused(file: Path) -> None:
    with Hive.open(file, writable=True) as hive:
        hive.root.set_binary("fits", bytes(16_344))
        with pytest.raises(HiveValueTooLargeError):
            hive.root.set_binary("large", bytes(16_345))
        assert [value.name for value in hive.root.values()] == ["fits"]


def test_deleting_a_value_beside_a_large_one_is_refused(file: Path) -> None:
    with Hive.open(file, writable=True) as hive:
        hive.ensure_key("large").set_dword("small", 1)
        hive.commit()
    with_segments(file)
    with Hive.open(file, writable=True) as hive:
        key = hive.key("large")
        assert key is not None
        with pytest.raises(HiveValueTooLargeError):
            key.delete_value("small")
        assert key.delete_value("big")
        assert key.delete_value("small")


def test_without_commit_nothing_is_written(file: Path) -> None:
    before = file.read_bytes()
    with Hive.open(file, writable=True) as hive:
        hive.ensure_key("Lost").set_dword("x", 1)
    assert file.read_bytes() == before


def test_commit_leaves_a_clean_hive(file: Path) -> None:
    with Hive.open(file, writable=True) as hive:
        hive.ensure_key("A")
        hive.commit()
    block = file.read_bytes()[:4096]
    assert struct.unpack_from("<I", block, 4) == struct.unpack_from("<I", block, 8)
    assert struct.unpack_from("<I", block, 508)[0] == base_block_checksum(block)


def test_read_only_hive_refuses_edits(file: Path) -> None:
    with Hive.open(file) as hive:
        for edit in (
            lambda: hive.ensure_key("A"),
            lambda: hive.root.set_dword("x", 1),
            lambda: hive.root.delete_value("x"),
            hive.commit,
        ):
            with pytest.raises(HiveReadOnlyError):
                edit()


def test_nothing_stays_open(file: Path) -> None:
    for writable in (False, True):
        with Hive.open(file, writable=writable) as hive:
            assert hive.root.subkeys() == ()
        assert file not in _open_files()
        assert str(file) not in Path("/proc/self/maps").read_text()
        with pytest.raises(ValueError, match="closed"):
            hive.key("A")
        hive.close()


def _open_files() -> list[Path]:
    links = Path("/proc/self/fd").iterdir()
    return [link.readlink() for link in links if link.is_symlink()]


def _patched(file: Path, offset: int, data: bytes, *, checksum: bool = True) -> Path:
    content = bytearray(file.read_bytes())
    content[offset : offset + len(data)] = data
    if checksum:
        struct.pack_into("<I", content, 508, base_block_checksum(bytes(content[:4096])))
    file.write_bytes(content)
    return file


def test_dirty_by_sequence_numbers(file: Path) -> None:
    _patched(file, 4, struct.pack("<I", 2))
    for writable in (False, True):
        with pytest.raises(HiveDirtyError) as caught:
            Hive.open(file, writable=writable)
        assert caught.value.code == "guest.hive-dirty"
        assert "write 2 was begun and only 1 was finished" in caught.value.message
        assert "shut Windows down fully" in caught.value.advice
    with Hive.open(file, accept_dirty=True) as hive:
        assert hive.root.name == "ROOT"
    with pytest.raises(HiveDirtyError):
        Hive.open(file, writable=True, accept_dirty=True)


def test_dirty_by_checksum(file: Path) -> None:
    _patched(file, 508, b"\0\0\0\0", checksum=False)
    with pytest.raises(HiveDirtyError, match="checksum"):
        Hive.open(file)


@pytest.mark.parametrize("content", [b"", b"regf", b"MZ" + bytes(9000), bytes(4096)])
def test_not_a_hive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "SYSTEM"
    path.write_bytes(content)
    with pytest.raises(HiveInvalidError):
        Hive.open(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(HiveUnreadableError, match="No such file"):
        Hive.open(tmp_path / "absent")


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        pytest.param(4096, b"nope", id="bin-magic"),
        pytest.param(4096 + 8, struct.pack("<I", 100), id="bin-size"),
        pytest.param(4096 + 32, struct.pack("<i", -3), id="cell-size"),
        pytest.param(4096 + 36, b"xx", id="root-node"),
    ],
)
def test_corrupt(file: Path, offset: int, data: bytes) -> None:
    _patched(file, offset, data)
    with pytest.raises(HiveCorruptError) as caught:
        Hive.open(file)
    assert caught.value.code == "guest.hive-corrupt"


def test_truncated_after_base_block(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:4096])
    with pytest.raises(HiveCorruptError):
        Hive.open(file)


def test_values_decode_what_windows_leaves_behind() -> None:
    junk = Value("x", ValueType.SZ, "abc\0junk".encode("utf-16-le") + b"\xff")
    assert junk.text == "abc"
    assert Value("x", ValueType.SZ, "no nul".encode("utf-16-le")).text == "no nul"
    assert Value("x", ValueType.DWORD, b"\1").number is None
    assert Value("x", ValueType.DWORD_BIG_ENDIAN, b"\0\0\0\7").number == 7
    assert Value("x", ValueType.MULTI_SZ, b"").strings == ()
    assert Value("x", ValueType.MULTI_SZ, b"\0\0").strings == ()
    assert Value("x", ValueType.MULTI_SZ, "a\0b".encode("utf-16-le")).strings == ("a", "b")
    assert Value.from_strings("x", ["a", "", "b"]).strings == ("a", "b")
