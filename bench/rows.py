# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The table: what is done, the measures of it, and the goals. A row without a measure of ours is
one that PackIce can't do yet."""

from figures import Goal, Row


def memfd(size):
    return tuple(f"memfd_{way}_{size}" for way in ("mmap", "write", "fallocate"))


ROWS = [
    Row("read-4k-inline", "read 4 KiB: acquire, bytes in hand, release", "bytes_4k",
        ("ping_epoll",), ("redis_get_4k", "memcached_get_4k"),
        (Goal("at_most", 1.6, ("ping_epoll",)), Goal("at_most", 1, ("redis_get_4k",)))),
    Row("read-4k", "read 4 KiB by descriptor: acquire, map, release", "read_4k",
        ("map_4k",), (), (Goal("at_most", 1.2, ("map_4k",)),)),
    Row("read-1m", "read 1 MiB, likewise", "read_1m",
        ("map_1m",), ("redis_get_1m",), (Goal("at_most", 1.2, ("map_1m",)),)),
    Row("read-64m", "read 64 MiB, likewise", "read_64m", ("map_64m",), ("redis_get_64m",),
        (Goal("at_most", 1.2, ("map_64m",)), Goal("at_most", 0.001, ("redis_get_64m",)))),
    Row("read-1g", "read 1 GiB, likewise", "read_1g", ("map_1g",), (),
        (Goal("at_most", 1.2, ("map_1g",)), Goal("at_most", 1.2, ("read_1m",)))),
    Row("put-4k", "put 4 KiB: create, write, seal, release", "put_4k",
        ("ping_epoll",), ("redis_set_4k", "memcached_set_4k"),
        (Goal("at_most", 2, ("ping_epoll",)), Goal("at_most", 1.2, ("redis_set_4k",)))),
    Row("put-1m", "put 1 MiB", "put_1m", memfd("1m"), ("redis_set_1m",),
        (Goal("at_most", 1.05, memfd("1m")),)),
    Row("put-64m", "put 64 MiB", "put_64m", memfd("64m"), ("redis_set_64m",),
        (Goal("at_most", 1.05, memfd("64m")),)),
    Row("clients-4", "4 clients, read 4 KiB", "clients_4",
        ("floor_clients_4",), ("redis_clients_4",),
        (Goal("at_least", 0.6, ("floor_clients_4",)), Goal("at_least", 2, ("clients_1",))),
        "free"),
    Row("batch-100", "batches of 100 reads of 1 KiB", "batch_1k", (), ("redis_mget_1k",),
        (Goal("at_least", 500000),)),
    Row("embedded", "embedded peer: acquire, 4 KiB in hand, release", "embedded_4k", (), (),
        (Goal("at_most", 1),)),
    Row("embedded-threads", "2 threads of one embedded peer", "embedded_threads_2", (), (),
        (Goal("at_least", 1.6, ("embedded_threads_1",)),), "free"),
    Row("held", "acquire and release beside very many objects, not 1,000", "held_many", (), (),
        (Goal("at_most", 1.25, ("held_few",)),)),
    Row("http-1k", "HTTP GET 1 KiB, 16 connections", "http_1k", (), ("nginx_1k",),
        (Goal("at_least", 0.6, ("nginx_1k",)),), "free"),
    Row("http-1m", "HTTP GET 1 MiB, 16 connections", "http_1m", (), ("nginx_1m",),
        (Goal("at_least", 0.9, ("nginx_1m",)),), "free"),
    Row("http-256m", "HTTP GET 256 MiB, 16 connections", "http_256m", (), ("nginx_256m",),
        (Goal("at_least", 0.9, ("nginx_256m",)),), "free"),
    Row("fs-put-4k", "put 4 KiB into files (blob_fs), with sync", "fs_put_4k",
        ("files_4k", "files_together_4k"), (),
        (Goal("at_most", 1.15, ("files_4k", "files_together_4k")),)),
    Row("start", "packice-node: start to ready", "node_start", (), (),
        (Goal("at_most", 50000),)),
    Row("connect", "connect to an embedded peer", "embedded_connect", (), (),
        (Goal("at_most", 1000),)),
]

# Measures that stand for themselves: taken when no row is asked for by name.
ALONE = ("ping_blocking", "pass", *memfd("4k"), "copy_4k", "copy_1m", "copy_64m")
