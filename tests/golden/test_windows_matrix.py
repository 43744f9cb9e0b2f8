"""Every Windows on every platform, by both provisioning types, against what was reviewed; and
preparations that follow each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from imageport.guest.inspect import inspect
from imageport.guest.prepare import prepare
from imageport.model.target import PROFILES, Provisioning, Target
from lab.guests.windows_spec import Product, Tools, WindowsMaster
from tests.golden.trees import windows_tree
from tests.golden.windows_matrix import (
    DEVICE_IDS,
    EXPECTED,
    PLATFORMS,
    Platform,
    Sources,
    boot_service,
    expected_text,
    registry,
)


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda each: each.name)
def test_matrix(tmp_path: Path, platform: Platform) -> None:
    expected = (EXPECTED / f"{platform.name}.txt").read_text()
    assert expected_text(platform, tmp_path).splitlines() == expected.splitlines()


def test_every_platform_has_its_file() -> None:
    names = {path.stem for path in EXPECTED.iterdir()}
    assert names == {platform.name for platform in PLATFORMS}
    texts = [path.read_text() for path in EXPECTED.iterdir()]
    assert all("boots from" in text and "none (" not in text for text in texts)


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("target", list(Target))
def test_prepared_twice_the_registry_is_the_same(
    tmp_path: Path, target: Target, product: Product
) -> None:
    options = Sources.below(tmp_path / "sources").options(Provisioning.MCS)
    guest = windows_tree(tmp_path / "guest", WindowsMaster(product=product, components=()))
    prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)
    once = registry(guest)
    prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)
    assert registry(guest) == once


@pytest.mark.parametrize(
    "tools", [Tools.VMWARE, pytest.param(Tools.XENSERVER, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("there", list(Target))
@pytest.mark.parametrize("home", list(Target))
def test_there_and_back(tmp_path: Path, home: Target, there: Target, tools: Tools) -> None:
    """What the first preparation for a platform has set is so again after one for another."""
    options = Sources.below(tmp_path / "sources").options(Provisioning.MCS)
    guest = windows_tree(tmp_path / "guest", WindowsMaster(tools=tools, components=()))
    untouched = registry(guest)
    prepare(guest, inspect(guest), PROFILES[home], options, lambda *_: None)
    first = registry(guest)
    for target in (there, home):
        prepare(guest, inspect(guest), PROFILES[target], options, lambda *_: None)
    again = registry(guest)
    places = {place for place in first if first[place] != untouched.get(place)}
    assert {place: again.get(place) for place in places} == {
        place: first[place] for place in places
    }
    assert [again.get(place) for place in untouched if place not in first] == [None] * len(
        [place for place in untouched if place not in first]
    )
    for controller in PROFILES[home].controllers:
        if controller in DEVICE_IDS:
            assert "none (" not in boot_service(guest, controller)
