# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes that keep their objects in files, and looks at what lies in their folder."""

import os

from node import Node


class FilesNode(Node):
    """A node over blob_fs: in a folder of its own, or in `root`, which may be another's."""

    def __init__(self, root=None, **options):
        super().__init__()
        self.root = root or os.path.join(self.folder, "data")
        self._write_config({"blob": {"plugin": "blob_fs", "root": self.root, **options}})

    def files(self, part):
        """The paths of all files beneath root/part."""
        return sorted(
            os.path.join(folder, name)
            for folder, _, names in os.walk(os.path.join(self.root, part))
            for name in names
        )

    def restart(self):
        self.stop()
        return self.start()
