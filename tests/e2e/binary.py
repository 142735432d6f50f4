# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The binary notation, by docs/protocol.md alone: its table of names is read from there."""

import json
import pathlib
import re
import struct

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "protocol.md"
HEAD = b"\xfb\x01\0\0"
NULL, FALSE, TRUE, INTEGER, JSON, TEXT, ARRAY, OBJECT = range(8)


def names():
    """The numbers of names, from the page."""
    section = PAGE.read_text().split("### The binary notation")[1].split("\n### ")[0]
    return {name: int(number) for number, name in re.findall(r"(\d+) `(\w+)`", section)}


NUMBERS = names()
NAMES = {number: name for name, number in NUMBERS.items()}


def sized(data, end=b"\0"):
    return struct.pack("<I", len(data)) + data + end


def value(name, what):
    """One value with the number of its name before it."""
    if name in (NUMBERS["meta"], NUMBERS["stats"]) or isinstance(what, float):
        return bytes((name, JSON)) + sized(json.dumps(what).encode())
    if what is None or isinstance(what, bool):
        return bytes((name, NULL if what is None else TRUE if what else FALSE))
    if isinstance(what, int):
        return bytes((name, INTEGER)) + struct.pack("<q", what)
    if isinstance(what, str):
        return bytes((name, TEXT)) + sized(what.encode())
    if isinstance(what, dict):
        return bytes((name, OBJECT)) + sized(members(what), b"")
    return bytes((name, ARRAY)) + sized(b"".join(value(0, entry) for entry in what), b"")


def members(what):
    return b"".join(value(NUMBERS[name], inner) for name, inner in what.items())


def encode(what):
    """A message that says what this dict does."""
    return HEAD + sized(members(what), b"")


def read(data, at):
    """The name and the value at this byte, and where the next one is."""
    name, kind = data[at], data[at + 1]
    at += 2
    if kind < INTEGER:
        return name, (None, False, True)[kind], at
    if kind == INTEGER:
        return name, struct.unpack_from("<q", data, at)[0], at + 8
    (size,) = struct.unpack_from("<I", data, at)
    inside, at = data[at + 4 : at + 4 + size], at + 4 + size
    if kind in (JSON, TEXT):
        assert data[at] == 0
        return name, json.loads(inside) if kind == JSON else inside.decode(), at + 1
    return name, inner(inside) if kind == OBJECT else [entry for _, entry in each(inside)], at


def each(data):
    at = 0
    while at < len(data):
        name, what, at = read(data, at)
        yield name, what


def inner(data):
    return {NAMES[name]: what for name, what in each(data)}


def decode(data):
    """The dict that the first message says, and its size; None while it is not all there."""
    if len(data) < 8:
        return None, 0
    assert data[:4] == HEAD, data[:8]
    size = 8 + struct.unpack_from("<I", data, 4)[0]
    return (inner(data[8:size]), size) if len(data) >= size else (None, 0)
