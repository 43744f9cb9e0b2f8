"""Rows that programs and logs read are whole, however long they are."""

from __future__ import annotations

import io

from rich.console import Console

from imageport.cli.screen import print_rows


def printed(console: Console) -> list[str]:
    print_rows([("one", "x" * 100, "end"), ("three", "[b]", "")], console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_rows_are_whole_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=40)
    assert printed(console) == [f"one    {'x' * 100}  end", "three  [b]"]
    print_rows([], console)


def test_rows_fit_a_terminal() -> None:
    first, second = printed(Console(file=io.StringIO(), width=40, force_terminal=True))
    assert len(first) <= 40
    assert second.startswith("three  [b]")
