"""Parses PowerShell with tree-sitter's grammar, and prints each command that is none.

.oracles/bin/python parse_powershell.py COMMAND...
"""

from __future__ import annotations

import sys

import tree_sitter_powershell
from tree_sitter import Language, Parser


def main() -> None:
    """Parse each argument."""
    parser = Parser(Language(tree_sitter_powershell.language()))
    for command in sys.argv[1:]:
        if parser.parse(command.encode()).root_node.has_error:
            print(command)


if __name__ == "__main__":
    main()
