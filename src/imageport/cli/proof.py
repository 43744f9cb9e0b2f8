"""`imageport proof`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imageport.cli.edge import edge
from imageport.cli.screen import OUT, print_json
from imageport.cli.views import conversion_view, proof_view
from imageport.jobs.proof import PROOFS, check_proof, read_proof
from imageport.jobs.signature import public_key
from imageport.model.proof import Proof

app = typer.Typer(help="The proof beside a job's output.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="The output, or its .proof folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def show(file: File, as_json: AsJson = False) -> None:
    """Print a proof."""
    with edge(as_json=as_json):
        proof = read_proof(file)
        if as_json:
            print_json(PROOFS.dump_python(proof, mode="json"))
        elif isinstance(proof, Proof):
            OUT.print(proof_view(proof))
        else:
            OUT.print(conversion_view(proof))


@app.command()
def verify(file: File, as_json: AsJson = False) -> None:
    """Check a proof's signature and files, and read the whole output again."""
    with edge(as_json=as_json):
        key = check_proof(file)
        if as_json:
            print_json({"holds": True, "signer": key, "signer_is_us": key == public_key()})
        else:
            whose = "this installation" if key == public_key() else "another installation"
            OUT.print(f"The proof holds. Signed by {whose}, key {key}", soft_wrap=True)


@app.command()
def key() -> None:
    """Print the public key with which this installation signs."""
    with edge():
        OUT.print(public_key(), soft_wrap=True)


def add_to(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="proof")
