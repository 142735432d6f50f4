# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Turns the description of the interface into a C string: embed.py INPUT OUTPUT VERSION. It is
checked for being JSON, and made compact."""

import json
import sys

source, target, version = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    page = json.load(file)
page["info"]["version"] = version
data = json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
with open(target, "w", encoding="ascii") as file:
    file.write("static const unsigned char openapi_page[] = {")
    for at, byte in enumerate(data):
        file.write(("\n" if at % 16 == 0 else "") + f"{byte},")
    file.write("\n};\n")
