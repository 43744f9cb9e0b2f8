"""Workflow files of tests."""

from __future__ import annotations

from pathlib import Path

GOOD = """\
name: golden
location: here
source:
  disk: master.vmdk
defaults: {driverLibrary: virtio-win.iso, TryUntouched: false}
targets:
  - {platform: Azure, output: {disk: azure.vhd}}
  - name: store
    platform: Pvs
    provisioningType: Pvs
    tryuntouched: true
    output:
      share: {location: smb://pvs/store/, credential: store, image: win11}
"""


def written(folder: Path, text: str = GOOD, name: str = "golden.yaml") -> Path:
    """The file."""
    path = folder / name
    path.write_text(text)
    return path
