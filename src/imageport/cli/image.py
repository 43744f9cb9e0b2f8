"""`imageport image`: disk images by themselves, whatever is inside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.filesize import decimal

from imageport.cli.copy import copy
from imageport.cli.edge import FAILED, edge
from imageport.cli.screen import OUT, print_facts, print_json, reporter
from imageport.disk.base import MIB, data_bytes
from imageport.disk.convert import convert as convert_file
from imageport.disk.convert import format_of
from imageport.disk.difference import Difference, differences, first_byte
from imageport.disk.ends.open import Access
from imageport.disk.manifest import Manifest, is_manifest
from imageport.disk.mapped import MappedReader
from imageport.disk.open import open_disk
from imageport.disk.treehash import Progress, tree_hash
from imageport.model.target import DiskFormat

app = typer.Typer(help="Disk images: look, convert, copy, hash, compare.", no_args_is_help=True)
app.command("copy")(copy)

Image = Annotated[Path, typer.Argument(help="Disk image: raw, VHD, VHDX, VMDK or qcow2.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_SHOWN = 20
"""Differences that are listed for a person; --json has them all."""


@app.command()
def info(file: Image, as_json: AsJson = False) -> None:
    """Say what a disk image is: format, sizes, and the files that it is made of.

    Example: imageport image info master.vhdx
    """
    with edge(as_json=as_json), open_disk(file) as reader:
        chain = [each.file.name for each in reader.chain()]
        found: dict[str, Any] = {
            "file": str(file),
            "format": reader.format,
            "virtual_size": reader.size,
            "file_size": reader.file.size,
            "data": data_bytes(reader),
            "chain": chain,
        }
        if as_json:
            print_json(found)
            return
        facts = [
            ("Format", reader.format),
            ("Virtual size", f"{decimal(reader.size)} ({reader.size} bytes)"),
            ("File size", f"{decimal(reader.file.size)} ({reader.file.size} bytes)"),
            ("Data", decimal(found["data"])),
            *(("Parent", name) for name in chain[1:]),
        ]
        print_facts(facts)


@app.command()
def convert(  # noqa: PLR0913, PLR0917  # one parameter for each option of the command
    source: Image,
    target: Annotated[Path, typer.Argument(help="The new file.")],
    form: Annotated[
        DiskFormat | None,
        typer.Option(
            "--format",
            help="What to write, where the name does not say it. vhd is dynamic, vmdk is "
            "streamOptimized, tar.gz is Google Cloud's archive.",
        ),
    ] = None,
    block_size: Annotated[
        int | None,
        typer.Option(metavar="MIB", help="Of a VHDX: a power of two from 1 to 256; 2 otherwise."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read the new file back and compare its content hash.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write an image anew in another format. A failure leaves nothing behind.

    Examples: imageport image convert master.vmdk master.vhdx

    imageport image convert master.vhdx azure.vhd --format vhd-fixed --verify
    """
    with edge(as_json=as_json):
        wanted = form or format_of(str(target))
        with _progress("convert", f"Write {target.name} ({wanted})") as progress:
            block = block_size and block_size * MIB
            done = convert_file(
                source, target, wanted, verify=verify, progress=progress, block_size=block
            )
        root = done.content.root.hex() if done.content else None
        if as_json:
            print_json(
                {
                    "file": str(target),
                    "format": done.format,
                    "virtual_size": done.virtual_size,
                    "file_size": done.file_size,
                    "root": root,
                }
            )
            return
        sizes = f"{decimal(done.virtual_size)} virtual, {decimal(done.file_size)} file"
        facts = [("Wrote", f"{target}: {done.format}, {sizes}")]
        print_facts([*facts, ("Content hash", f"{root} (read back)")] if root else facts)


@app.command("hash")
def hash_(
    file: Image,
    manifest: Annotated[
        Path | None, typer.Option(help="Also write the hash of every block to this file.")
    ] = None,
    md5: Annotated[
        bool, typer.Option("--md5", help="Also the MD5 of all its bytes, as Citrix has it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hash an image's content: the same in any format, however sparse its file is.

    Example: imageport image hash master.vhdx --manifest master.manifest
    """
    with edge(as_json=as_json):
        with open_disk(file) as reader, _progress("hash", f"Hash {file.name}") as progress:
            found = tree_hash(reader, progress)
        if manifest is not None:
            found.save(manifest)
        md5_said = _md5(file) if md5 else {}
        if as_json:
            said = {
                "file": str(file),
                "root": found.root.hex(),
                "virtual_size": found.size,
                "block_size": found.block_size,
                "manifest": str(manifest) if manifest else None,
            }
            print_json(said | md5_said)
            return
        OUT.print(f"{found.root.hex()}  {file}", soft_wrap=True, highlight=False)
        for name, value in md5_said.items():
            OUT.print(f"{name} {value}", highlight=False)


def _md5(file: Path) -> dict[str, str]:
    from imageport.jobs.md5 import content_md5  # noqa: PLC0415  # nothing else here needs jobs

    with reporter() as steps:
        return {"md5": content_md5(str(file), Access(), steps)}


@app.command()
def compare(
    one: Annotated[Path, typer.Argument(help="Disk image, or a manifest of `image hash`.")],
    other: Annotated[Path, typer.Argument(help="Disk image or manifest.")],
    as_json: AsJson = False,
) -> None:
    """Compare the content of two images, of any formats. Ends with code 1 when they differ.

    Example: imageport image compare master.vmdk master.vhdx
    """
    with edge(as_json=as_json), ExitStack() as stack:
        disks = [
            None if is_manifest(path) else stack.enter_context(open_disk(path))
            for path in (one, other)
        ]
        manifests = [
            Manifest.load(path) if disk is None else _hashed(disk, path)
            for path, disk in zip((one, other), disks, strict=True)
        ]
        found = list(differences(*manifests))
        first = None
        if found and disks[0] is not None and disks[1] is not None:
            first = first_byte(disks[0], disks[1], found[0])
        _print_comparison(manifests, found, first, as_json=as_json)
        if found:
            raise typer.Exit(FAILED)


def _hashed(disk: MappedReader, path: Path) -> Manifest:
    with _progress("hash", f"Hash {path.name}") as progress:
        return tree_hash(disk, progress)


@contextmanager
def _progress(name: str, title: str) -> Iterator[Progress]:
    """Show one piece of work, with its bytes."""
    with reporter() as steps:
        steps.step_started(name, title)
        yield lambda done, total: steps.progress(done, total, "bytes")


def _print_comparison(
    manifests: list[Manifest], found: list[Difference], first: int | None, *, as_json: bool
) -> None:
    changed = sum(each.length for each in found)
    if as_json:
        print_json(
            {
                "identical": not found,
                "roots": [each.root.hex() for each in manifests],
                "virtual_sizes": [each.size for each in manifests],
                "first_byte": first,
                "changed": changed,
                "differences": [{"offset": d.offset, "length": d.length} for d in found],
            }
        )
        return
    if not found:
        OUT.print(f"The content is the same: {manifests[0].root.hex()}", soft_wrap=True)
        return
    OUT.print(f"The content differs in {len(found)} ranges, {decimal(changed)} in all.")
    if first is not None:
        OUT.print(f"The first byte that differs is at {first}.")
    for each in found[:_SHOWN]:
        OUT.print(f"  {each.length} bytes at {each.offset}", highlight=False)
    if len(found) > _SHOWN:
        OUT.print(f"  and {len(found) - _SHOWN} more: --json lists them all")


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="image")
