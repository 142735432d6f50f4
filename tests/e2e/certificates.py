# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Certificates for a test, made with openssl(1) in its folder and gone with it."""

import os
import subprocess

from harness import DEADLINE


class Authority:
    """An authority that signs certificates; its own is in `file`."""

    def __init__(self, folder, name):
        self.folder = folder
        self.name = name
        self.file = os.path.join(folder, name + ".pem")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", self._key(name),
                      "-out", self.file)

    def sign(self, name, *extensions):
        """A certificate for `name` and its key: two files."""
        request = os.path.join(self.folder, name + ".csr")
        cert = os.path.join(self.folder, name + ".pem")
        extra = os.path.join(self.folder, name + ".ext")
        with open(extra, "w", encoding="ascii") as file:
            file.write("".join(line + "\n" for line in extensions))
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-subj", f"/CN={name}", "-keyout", self._key(name),
                      "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey",
                      self._key(self.name), "-CAcreateserial", "-days", "2", "-extfile", extra,
                      "-out", cert)
        return cert, self._key(name)

    def _key(self, name):
        return os.path.join(self.folder, name + ".key")

    @staticmethod
    def _openssl(*arguments):
        subprocess.run(["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=DEADLINE, check=True)
