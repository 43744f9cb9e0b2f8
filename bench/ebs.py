"""Writing an EBS snapshot beside a bare loop and boto3 used plainly: `python bench/ebs.py FOLDER`.

All send the same noise in blocks of 512 KiB over TLS to a sink on this computer that hashes and
discards. The bare loop reads the file, makes each block's SHA-256, and writes requests to its own
connections, on as many threads as serve it best; it signs nothing. Prints medians of three rounds.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import queue
import socket
import ssl
import sys
import threading
from pathlib import Path

import boto3

from bench.measure import Work, compare, heading
from bench.sink import sink
from imageport.disk.base import MIB
from imageport.disk.copy import copy
from imageport.disk.ends.ebs.api import EbsAccount
from imageport.disk.ends.ebs.writer import EbsWriter, SnapshotOptions
from imageport.disk.manifest import BLOCK
from imageport.disk.open import open_disk
from imageport.model.credentials import AwsKey
from lab.certificates import LabAuthority

SIZE = 1024 * MIB
KEY = AwsKey("AKIDBENCH", "none")
BODIES = {
    b"/completion/": json.dumps({"Status": "completed"}).encode(),
    b"POST /snapshots ": json.dumps(
        {"SnapshotId": "snap-0123456789abcdef0", "VolumeSize": 1, "BlockSize": BLOCK}
    ).encode(),
}


def bare(raw: Path, port: int, ca: Path, threads: int) -> Work:
    """The same blocks and sums, and nothing else."""

    def work() -> None:
        context = ssl.create_default_context(cafile=str(ca))
        tasks: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        for block in range(SIZE // BLOCK):
            tasks.put(block)
        workers = [
            threading.Thread(target=_send, args=(raw, port, context, tasks)) for _ in range(threads)
        ]
        for worker in workers:
            tasks.put(None)
            worker.start()
        for worker in workers:
            worker.join()

    return work


def _send(
    raw: Path, port: int, context: ssl.SSLContext, tasks: queue.SimpleQueue[int | None]
) -> None:
    plain = socket.create_connection(("127.0.0.1", port))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file, view = os.open(raw, os.O_RDONLY), memoryview(bytearray(BLOCK))
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as peer:
        while (block := tasks.get()) is not None:
            os.preadv(file, [view], block * BLOCK)
            checksum = base64.b64encode(hashlib.sha256(view).digest()).decode()
            peer.sendall(
                f"PUT /snapshots/snap-0/blocks/{block} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"x-amz-Checksum: {checksum}\r\nx-amz-Checksum-Algorithm: SHA256\r\n"
                f"x-amz-Data-Length: {BLOCK}\r\nContent-Length: {BLOCK}\r\n\r\n".encode()
            )
            peer.sendall(view)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += peer.recv(4096)
            assert answer.startswith(b"HTTP/1.1 201"), answer
    os.close(file)


def own(raw: Path, port: int, ca: Path) -> Work:
    """Through the end, hashed and with its record."""

    def work() -> None:
        endpoint = f"https://127.0.0.1:{port}"
        account = EbsAccount("eu-west-1", KEY, endpoint, endpoint, ca)
        with open_disk(raw) as reader:
            options = SnapshotOptions(wait=0)
            state = raw.with_suffix(".json")
            copy(reader, EbsWriter(account, reader.size, state=state, options=options))

    return work


def plainly(raw: Path, port: int, ca: Path) -> Work:
    """boto3 as its manual shows it: block after block."""

    def work() -> None:
        client = boto3.client(
            "ebs",
            region_name="eu-west-1",
            endpoint_url=f"https://127.0.0.1:{port}",
            verify=str(ca),
            aws_access_key_id=KEY.access_key_id,
            aws_secret_access_key=KEY.secret_access_key,
        )
        with open(raw, "rb") as file:
            for block in range(SIZE // BLOCK):
                data = file.read(BLOCK)
                client.put_snapshot_block(
                    SnapshotId="snap-0123456789abcdef0",
                    BlockIndex=block,
                    BlockData=data,
                    DataLength=BLOCK,
                    Checksum=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                    ChecksumAlgorithm="SHA256",
                )

    return work


def main(folder: Path) -> None:
    raw = folder / "bench.raw"
    with open(raw, "wb") as file:
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
    authority = LabAuthority(folder / "ca")
    answer = {"Content-Type": "application/json"}
    with sink(*authority.sign("server"), answer, bodies=BODIES) as port:
        heading("EBS direct, to a sink that hashes and discards")
        where = (raw, port, authority.path)
        others = {f"bare loop, {n} threads": bare(*where, n) for n in (2, 4, 16)}
        others["boto3, plainly"] = plainly(*where)
        compare("1 GiB", others, own(*where), [0.85, 0.85, 0.85, 1.5], None)
    raw.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
