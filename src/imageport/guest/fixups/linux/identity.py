"""What must differ between machines made from one image is cleared in the first boot."""

from __future__ import annotations

from imageport.guest.fixup import Edit, FixUp, Step, Task
from imageport.guest.linux.edits import WriteText
from imageport.model.guest import OsFamily

_MACHINE_ID = """\
: > /etc/machine-id
if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
    rm -f /var/lib/dbus/machine-id
fi
rm -f /var/lib/systemd/random-seed /var/lib/dhcp/*.leases /var/lib/dhclient/*.lease*
rm -f /var/lib/NetworkManager/*.lease /var/lib/NetworkManager/secret_key /var/lib/wicked/*.xml
"""
_HOST_KEYS = "rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub\n"
_KEYGEN = "/etc/systemd/system/ssh.service.d/imageport.conf"
_KEYGEN_TEXT = """\
# Written by imageport: a machine made from this image makes its own host keys.
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
ExecStartPre=/usr/sbin/sshd -t
"""


class Identity(FixUp):
    """machine-id, SSH host keys and leases; sshd makes keys of its own."""

    name = "identity"
    family = OsFamily.LINUX
    order = 70
    watches = (_KEYGEN, "/etc/ssh/sshd_config")

    def edits(self, task: Task) -> tuple[Edit, ...]:
        """Debian's sshd makes host keys at installation only: let it make missing ones.

        Red Hat's and SUSE's do so by themselves.
        """
        if "openssh-server" not in task.linux.packages:
            return ()
        return (WriteText(_KEYGEN, _KEYGEN_TEXT, "missing SSH host keys are made at start"),)

    def steps(self, task: Task) -> tuple[Step, ...]:
        """One step a thing."""
        steps = [Step("machine-id", _MACHINE_ID)]
        if "/etc/ssh/sshd_config" in task.linux.paths:
            steps.append(Step("ssh-host-keys", _HOST_KEYS))
        return tuple(steps)
