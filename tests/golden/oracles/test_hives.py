"""Two readers of registry hives that know nothing of libhivex see what we wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imageport.guest.inspect import inspect
from imageport.guest.prepare import prepare
from imageport.guest.windows.hive import Hive, Key
from imageport.guest.windows.registry import hive_file
from imageport.guest.windows.registry_value import Value, ValueType
from imageport.model.guest import PrepareOptions
from imageport.model.target import PROFILES, Firmware, Provisioning, Target
from lab.guests.windows_spec import Product, Tools, WindowsMaster
from tests.golden.oracles.programs import said
from tests.golden.trees import windows_tree
from tests.golden.windows_matrix import HIVES, Sources

pytestmark = pytest.mark.slow

WRITTEN_AS = {
    ValueType.NONE: "REG_NONE",
    ValueType.SZ: "REG_SZ",
    ValueType.EXPAND_SZ: "REG_EXPAND_SZ",
    ValueType.BINARY: "REG_BINARY",
    ValueType.DWORD: "REG_DWORD",
    ValueType.MULTI_SZ: "REG_MULTI_SZ",
    ValueType.QWORD: "REG_QWORD",
}


def keys(key: Key, place: str = "") -> Iterator[tuple[str, tuple[Value, ...]]]:
    yield place, key.values()
    for below in key.subkeys():
        yield from keys(below, f"{place}\\{below.name}")


def as_dissect(value: Value) -> list[Any]:
    return [value.name or "(Default)", value.type, value.data.hex()]


def as_regipy(value: Value) -> list[Any]:
    meaning: Any = {"bytes": value.data.hex()}
    for known in (value.text, value.number, value.strings):
        meaning = known if known is not None else meaning
    if isinstance(meaning, tuple):
        meaning = list(meaning)
    return [value.name or "(default)", WRITTEN_AS[ValueType(value.type)], meaning]


def assert_seen_alike(files: list[Path]) -> int:
    """Every key and value of the hives; how many values there are."""
    told = [json.loads(line) for line in said("read_hives.py", *files).splitlines()]
    count = 0
    for file, seen in zip(files, told, strict=True):
        with Hive.open(file) as hive:
            ours = dict(keys(hive.root))
        assert seen["base"]["checksum"], file
        assert seen["base"]["bins"] + 4096 <= file.stat().st_size
        first, second = seen["base"]["sequence"]
        assert first == second
        assert seen["dissect"] == {at: [*map(as_dissect, values)] for at, values in ours.items()}
        assert seen["regipy"] == {at: [*map(as_regipy, values)] for at, values in ours.items()}
        count += sum(map(len, ours.values()))
    return count


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("target", list(Target))
def test_prepared_hives(tmp_path: Path, target: Target, product: Product) -> None:
    firmware = list(Firmware)[(list(Target).index(target) + list(Product).index(product)) % 2]
    master = WindowsMaster(firmware=firmware, product=product, components=())
    guest = windows_tree(tmp_path / "guest", master)
    options = Sources.below(tmp_path / "sources").options(Provisioning.MCS)
    prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)
    assert assert_seen_alike([hive_file(guest, name) for name in HIVES]) > 100


def test_hives_after_there_and_back(tmp_path: Path) -> None:
    """Keys and values deleted and made again, twice."""
    options = Sources.below(tmp_path / "sources").options(Provisioning.MCS)
    guest = windows_tree(tmp_path / "guest", WindowsMaster(tools=Tools.XENSERVER, components=()))
    for target in (Target.AZURE, Target.XENSERVER, Target.AHV):
        prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)
        assert assert_seen_alike([hive_file(guest, name) for name in HIVES]) > 100


def test_values_of_every_size_and_kind(tmp_path: Path) -> None:
    """Data in the record itself, in a cell, and none; names beyond ASCII; many subkeys."""
    guest = windows_tree(tmp_path, WindowsMaster())
    file = hive_file(guest, "SOFTWARE")
    with Hive.open(file, writable=True) as hive:
        key = hive.ensure_key("Oracle")
        for size in (0, 1, 3, 4, 5, 4000, 16_344):
            key.set_binary(f"binary {size}", (bytes(range(256)) * 64)[:size])
        key.set_text("", "the default")
        key.set_text("大きさ", "Übermaß € 漢")
        key.set_text("path", r"%SystemRoot%\x", expand=True)
        key.set_qword("qword", 2**63 + 1)
        key.set_strings("list", ["one", "two"])
        key.set_strings("empty list", [])
        many = key.ensure_key("many")
        for number in range(2000):
            many.ensure_key(f"key {number}").set_dword("number", number)
        for number in range(0, 2000, 3):
            assert many.delete_key(f"key {number}")
        hive.commit()
    assert assert_seen_alike([file]) > 1300


def test_a_difference_is_seen(tmp_path: Path) -> None:
    guest = windows_tree(tmp_path, WindowsMaster())
    prepare(guest, inspect(guest), PROFILES[Target.AZURE], PrepareOptions(), lambda *_: None)
    file = hive_file(guest, "SYSTEM")
    content = bytearray(file.read_bytes())
    at = content.index(b"imageport-first-boot")
    content[at] = ord("j")
    other = tmp_path / "other"
    other.write_bytes(content)
    (seen,) = [json.loads(line) for line in said("read_hives.py", other).splitlines()]
    assert any(place.endswith(r"\jmageport-first-boot") for place in seen["dissect"])
    assert any(place.endswith(r"\jmageport-first-boot") for place in seen["regipy"])
    content[at] = ord("i")
    content[8] ^= 1
    other.write_bytes(content)
    (seen,) = [json.loads(line) for line in said("read_hives.py", other).splitlines()]
    assert not seen["base"]["checksum"]
    assert seen["base"]["sequence"][0] != seen["base"]["sequence"][1]
