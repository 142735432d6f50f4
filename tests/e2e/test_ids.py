# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Names: what may be an object's id, and what may not."""

import unittest

from harness import NodeCase

ODD = [
    "a",
    "/",
    "//",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b/c",
    "a/../b",
    " ",
    "  two  spaces  ",
    "x" * 255,
    "/" * 255,
    "ü" * 127 + "x",
    "🧊" * 63 + "abc",
    "🧊📦",
    "Ελληνικά",
    "中文",
    "עברית",
    'quote " backslash \\ brace } bracket ]',
    "null",
    "-rf",
    "%s%n%00",
    "a\u0301",  # decomposed: another name than the composed one
    "\u00e1",
    "\u200b",
    "\ufeff",
    "con:aux*?<>|",
]

BAD = [
    "",
    "x" * 256,
    "🧊" * 64,
    "a\nb",
    "a\tb",
    "\x1b[31m",
    "\x7f",
    "a\u0000b",
    "\u0085",
]


class IdsTest(NodeCase):
    def test_odd_ids_are_names_like_any_other(self):
        client = self.connect()
        for name in ODD:
            with self.subTest(name=name):
                self.assertEqual(self.put(client, name, name.encode()), name)
        self.assertEqual(self.node.stats()["objects"], len(ODD))
        for name in ODD:
            with self.subTest(name=name):
                self.assertEqual(client.get(name), [name.encode()])
                self.assertEqual(client.ok("stat", object_id=name)["object_id"], name)
        listed = [entry["object_id"] for entry in client.ok("list")["objects"]]
        self.assertEqual(listed, ODD)
        for name in ODD:
            self.refused("exists", client.request(
                "acquire", object_id=name, intent="create", sizes=[1]
            ))

    def test_bad_ids_are_invalid(self):
        client = self.connect()
        for name in BAD:
            for request in (
                {"command": "acquire", "intent": "create", "sizes": [1]},
                {"command": "acquire", "intent": "read"},
                {"command": "discard"},
                {"command": "stat"},
            ):
                with self.subTest(name=name, **request):
                    self.refused("invalid", client.request(object_id=name, **request))

    def test_lone_surrogate_is_invalid(self):
        client = self.connect()
        client.send_bytes(b'{"command":"stat","object_id":"\\ud83d"}')
        reply = client.receive()
        self.refused("invalid", reply)


if __name__ == "__main__":
    unittest.main()
