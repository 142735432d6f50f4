#!/usr/bin/python3
# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that a page quotes a source file in full and as it is.

usage: check_quotes.py PAGE.md SOURCE

Every fenced block that follows a line `<!-- quote -->` is a part of the source. The parts, in their
order, with empty lines between two of them, must be the whole source.
"""
import re
import sys

QUOTE = re.compile(r"<!-- quote -->\n```c\n(.*?)\n```\n", re.DOTALL)


def main():
    page_name, source_name = sys.argv[1:3]
    with open(page_name, encoding="utf-8") as file:
        parts = QUOTE.findall(file.read())
    with open(source_name, encoding="utf-8") as file:
        rest = file.read()
    if not parts:
        sys.exit(f"{page_name}: no quotes found")
    for number, part in enumerate(parts, 1):
        if not rest.startswith(part + "\n"):
            wanted, got = (part + "\n").splitlines(), rest.splitlines()
            at = next((i for i, line in enumerate(wanted) if got[i:i + 1] != [line]), 0)
            sys.exit(f"{page_name}: quote {number}, line {at + 1} differs from {source_name}:\n"
                     f"  quoted: {wanted[at]}\n  source: {(got[at:at + 1] or ['(its end)'])[0]}")
        rest = rest[len(part) + 1:].lstrip("\n")
    if rest:
        sys.exit(f"{page_name}: the rest of {source_name} is not quoted, from: "
                 f"{rest.splitlines()[0]}")


if __name__ == "__main__":
    main()
