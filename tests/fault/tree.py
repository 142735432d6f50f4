# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""Trees of files, {path: (inode, kind, mode, data)}, and folders that hold just that."""

import os
import shutil

# When files were last changed that a cut left: nobody who was about to go on with one still is.
LONG_AGO = 1_000_000_000


def fingerprint(tree):
    """Equal for trees that look the same, hard links included."""
    numbers = {}
    return tuple(
        (path, kind, mode, data, numbers.setdefault(inode, len(numbers)))
        for path, (inode, kind, mode, data) in sorted(tree.items(), key=lambda item: item[0])
    )


def lay_out(tree, root):
    """Makes the folder hold this tree and nothing else. Folders that are there already stay."""
    there = clear(tree, root)
    made = {}
    folders = []
    for path in sorted(tree):
        inode, kind, mode, data = tree[path]
        target = os.path.join(root, path)
        if kind == "folder":
            if path not in there:
                os.mkdir(target)
            if there.get(path) != mode:
                folders.append((target, mode))
        elif inode in made:
            os.link(made[inode], target, follow_symlinks=False)
        elif kind == "link":
            os.symlink(data, os.fsencode(target))
        else:
            write_file(target, mode, data)
        made.setdefault(inode, target)
    for target, mode in reversed(folders):
        os.chmod(target, mode)


def clear(tree, root):
    """Removes all but the folders of the tree. Returns those that are left, with their modes."""
    left = {}
    todo = [""]
    while todo:
        folder = todo.pop()
        for entry in os.scandir(os.path.join(root, folder)):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
            elif path in tree and tree[path][1] == "folder":
                left[path] = entry.stat().st_mode & 0o7777
                todo.append(path)
            else:
                shutil.rmtree(entry.path)
    return left


def write_file(path, mode, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if data:
            assert os.write(fd, data) == len(data)
        os.fchmod(fd, mode)
        os.utime(fd, (LONG_AGO, LONG_AGO))
    finally:
        os.close(fd)


def files_beneath(root):
    """Paths of all that is no folder."""
    found = set()
    todo = [root]
    while todo:
        for entry in os.scandir(todo.pop()):
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
            else:
                found.add(os.path.relpath(entry.path, root))
    return found


def fast_folder():
    """Where files cost no disk, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
