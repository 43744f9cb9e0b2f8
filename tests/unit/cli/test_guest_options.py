from __future__ import annotations

from dataclasses import fields

import pytest

from imageport.cli.guest_options import GuestOptionUnknown, wishes
from imageport.engine.agent.commands import _wish
from imageport.jobs.wish import wish
from imageport.model.job import MigrateRequest
from imageport.model.target import Controller, Provisioning, Target
from imageport.model.wishes import GuestWishes, Operation, XdParameter

ALL = (
    "InstallMisa", "forcemisa", "InstallMcsio", "ForceMcsio", "DomainUnjoin", "UnjoinAnyway",
    "EnableRdp", "Chkdsk", "Defrag", "TemporaryDisk", "PvsDowngrade", "InstallPvs=2402",
    "XdReconfigure=controllers=a,b", "XdReconfigure=/Enable_HDX_Ports",
)  # fmt: skip


def test_every_wish_can_be_said() -> None:
    found = wishes(ALL)
    assert found.install_pvs == "2402"
    assert found.xd_reconfigure == (
        XdParameter("controllers", "a,b"),
        XdParameter("enable_hdx_ports"),
    )
    nothing = GuestWishes()
    unsaid = [f.name for f in fields(found) if getattr(found, f.name) == getattr(nothing, f.name)]
    assert unsaid == []
    assert wishes(()) == nothing


@pytest.mark.parametrize("option", ["Misa", "InstallMisa=yes", "InstallPvs", "XdReconfigure", ""])
def test_what_is_none_is_refused(option: str) -> None:
    with pytest.raises(GuestOptionUnknown) as caught:
        wishes([option])
    assert "--help" in caught.value.advice


@pytest.mark.parametrize("isolated", [True, False])
def test_the_engine_understands_all_of_it(isolated: bool) -> None:
    asked = wishes(ALL)
    request = MigrateRequest("a", Target.GCP, "b", Provisioning.PVS, wishes=asked)
    profile, options = _wish(wish(request, isolated=isolated, controller=Controller.NVME))
    assert profile.target is Target.GCP
    assert options.provisioning is Provisioning.PVS
    assert options.isolated is isolated
    assert options.controller is Controller.NVME
    assert options.operation is Operation.MIGRATE
    assert {f.name: getattr(options, f.name) for f in fields(asked)} == {
        f.name: getattr(asked, f.name) for f in fields(asked)
    }
