"""cloud-init looks for the target's data source, and for none before the image is used.

In the first boot the machine is the engine's: on a cloud, cloud-init would give the master the
engine's name, users and keys. It stays off until the last of its steps, by the file that its own
generator looks for (cloud-init's documentation, "Disable cloud-init").
"""

from __future__ import annotations

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.linux.edits import UntilFirstBoot, WriteText
from imageport.model.guest import OsFamily
from imageport.model.target import Target

_OFF = "/etc/cloud/cloud-init.disabled"
_OFF_TEXT = "imageport: until the first boot is over\n"
_SOURCES = "/etc/cloud/cloud.cfg.d/zz-imageport.cfg"
"""Read last: installers leave a `99-installer.cfg` that switches every source off."""
_NAMES = {
    Target.AZURE: "Azure",
    Target.AWS: "Ec2",
    Target.GCP: "GCE",
    Target.VSPHERE: "VMware, OVF, NoCloud",
    Target.XENSERVER: "ConfigDrive, NoCloud",
    Target.AHV: "ConfigDrive, NoCloud",
    Target.PVS: "NoCloud",
}
_CLEAN = "cloud-init clean --logs --seed\n"


class CloudInit(FixUp):
    """The data source, and cloud-init's memory of the source machine."""

    name = "cloud-init"
    family = OsFamily.LINUX
    order = 75
    watches = (_OFF, _SOURCES)

    def applies(self, task: Task) -> bool:
        """Only where it is installed."""
        return any(product.name == "cloud-init" for product in task.inspection.products)

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """What a user has switched off stays off."""
        text = (
            "# Written by imageport for the platform that this image was prepared for.\n"
            f"datasource_list: [ {_NAMES[task.target.target]}, None ]\n"
        )
        sources = WriteText(_SOURCES, text, "data source of the target")
        if self._off_by_user(task):
            return (sources,)
        return (sources, UntilFirstBoot(_OFF, _OFF_TEXT, "off in the engine's machine"))

    def steps(self, task: Task) -> tuple[Step, ...]:
        """It is new again in the boot after the next."""
        if self._off_by_user(task):
            return (Step("cloud-init", _CLEAN),)
        return (Step("cloud-init", f"{_CLEAN}status=$?\nrm -f {_OFF}\nexit $status\n"),)

    def _off_by_user(self, task: Task) -> bool:
        return _OFF in task.linux.paths and task.linux.files.get(_OFF) != _OFF_TEXT
