"""A monitor that does not speak: said at once, and nothing is left open."""

from __future__ import annotations

import gc
import socket
from pathlib import Path
from threading import Thread

import pytest

from imageport.platforms.local.qmp import Qmp, QmpError


def test_a_machine_that_ends_while_it_is_asked(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "qmp"))
        server.listen()

        def answer() -> None:
            caller, _ = server.accept()
            caller.close()

        hang_up = Thread(target=answer)
        hang_up.start()
        with pytest.raises(QmpError, match="hung up"):
            Qmp(tmp_path / "qmp")
        hang_up.join()
    gc.collect()  # a socket left open is an error of its own then


def test_a_machine_that_has_ended(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "qmp"))
    with pytest.raises(ConnectionRefusedError):
        Qmp(tmp_path / "qmp")
    gc.collect()
