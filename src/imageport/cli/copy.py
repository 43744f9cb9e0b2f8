"""`imageport image copy`: disks from any end to any other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.edge import edge
from imageport.cli.ends import SourceCredentials, absolute, access
from imageport.cli.screen import print_facts, print_json, reporter
from imageport.jobs.copies import Copied, CopyRequest, copy_disk, drop_copy
from imageport.jobs.errors import CopyStopped
from imageport.model.target import DiskFormat


def copy(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    source: Annotated[str, typer.Argument(help="A path, or an address.")],
    target: Annotated[str, typer.Argument(help="A path, or an address.")],
    form: Annotated[
        DiskFormat | None,
        typer.Option("--format", help="What to write, where the name does not say it."),
    ] = None,
    source_credentials: SourceCredentials = None,
    target_credentials: Annotated[
        Path | None, typer.Option(help="JSON file (mode 0600) with the target's account.")
    ] = None,
    source_ca: Annotated[
        Path | None, typer.Option(help="PEM file of the only authorities to trust there.")
    ] = None,
    target_ca: Annotated[
        Path | None, typer.Option(help="PEM file of the only authorities to trust there.")
    ] = None,
    source_endpoint: Annotated[
        str | None, typer.Option(help="Where the source's service answers, if not as usual.")
    ] = None,
    target_endpoint: Annotated[
        str | None, typer.Option(help="Where the target's service answers, if not as usual.")
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(help="Manifest of what the target holds already: only changes move."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, an option of the target's end. May be repeated."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option(help="Replace a target that has the name, once the copy is complete.")
    ] = False,
    read_back: Annotated[
        bool, typer.Option(help="Read the target back and compare its content hash.")
    ] = True,
    manifest: Annotated[
        Path | None, typer.Option(help="Write the hash of every block to this file.")
    ] = None,
    drop: Annotated[
        bool, typer.Option("--drop", help="Remove what an unfinished copy has left instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Copy a disk between files, devices, shares, servers and clouds.

    Killed or cut off, the same command goes on. Addresses: smb://host/share/folder/disk.vhdx,
    nbd://host/export, https://host/disk.qcow2 (to read), pageblob://account.../container/disk.vhd,
    ebs://region/ (a new snapshot) or ebs://region/snap-..., gs://bucket/disk.tar.gz.

    Examples: imageport image copy master.vhdx smb://files/images/master.vhdx
    --target-credentials share.json

    imageport image copy master.qcow2 ebs://eu-west-1/ --target-credentials aws.json
    """
    with edge(as_json=as_json):
        request = CopyRequest(
            absolute(source),
            absolute(target),
            form,
            str(base.resolve()) if base else None,
            overwrite,
            dict(_option(each) for each in option or ()),
        )
        accesses = (
            access(source_credentials, source_ca, source_endpoint),
            access(target_credentials, target_ca, target_endpoint),
        )
        if drop:
            drop_copy(request, *accesses)
            return
        try:
            with reporter() as steps:
                done = copy_disk(request, *accesses, steps, read_back=read_back)
        except KeyboardInterrupt:
            raise CopyStopped(target=request.target) from None
        if manifest is not None:
            done.content.save(manifest)
        _print_copied(request.source, done, as_json=as_json)


def _option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text} is not NAME=VALUE")
    return name, value


def _print_copied(source: str, done: Copied, *, as_json: bool) -> None:
    if as_json:
        print_json({"source": source, **done.as_dict()})
        return
    proven = "read back and the same" if done.read_back else "not read back"
    print_facts(
        [("Copied", done.address), ("Content hash", f"{done.content.root.hex()} ({proven})")]
    )
