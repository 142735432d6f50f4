# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmark over a node of its own, on a private socket, and over an embedded peer."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["PACKICE_SOURCE"], "tests/e2e"))

from node import Node  # noqa: E402


def main():
    bench = sys.argv[1]
    node = Node().start()
    try:
        for name, target in (("node over a Unix socket", node.socket), ("embedded", "embedded")):
            print(f"\n{name}", flush=True)
            subprocess.run([bench, target], check=True)
        node.stop()
    finally:
        node.remove()


if __name__ == "__main__":
    main()
