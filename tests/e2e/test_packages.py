# SPDX-FileCopyrightText: PackIce authors
# SPDX-License-Identifier: Apache-2.0
"""The one package list (tests/packages.txt) against what is asked for: by the meson.build files, by
the scripts, and by these tests. Whatever they need must be installed by ./dev on a bare machine."""

import ast
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

SOURCE = Path(os.environ["PACKICE_SOURCE"])
GROUPS = {"build", "test", "lint", "fuzz", "coverage", "soak", "bench"}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# What Meson finds without a package of its own.
BUILTIN_DEPENDENCIES = {"threads", "dl"}

# What the shell does itself, although a program of the name exists.
BUILTINS = {"kill"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def listed():
    """The list as {package: {group...}}."""
    packages = {}
    for line in (SOURCE / "tests/packages.txt").read_text("utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words:
            group, package = words
            packages.setdefault(package, set()).add(group)
    return packages


class Installed:
    """What dpkg knows: packages with what they depend on, and which package a file is from."""

    def __init__(self):
        self.depends = {}
        self.base = set()
        form = "${Package}\t${Essential}\t${Priority}\t${Pre-Depends}, ${Depends}\n"
        for line in output("dpkg-query", "-W", "-f", form).splitlines():
            package, essential, priority, depends = line.split("\t")
            # Of alternatives apt takes the first.
            names = [part.split("|")[0].split()[0].split(":")[0]
                     for part in depends.split(",") if part.strip()]
            self.depends[package] = names
            if essential == "yes" or priority == "required":
                self.base.add(package)

    def with_dependencies(self, packages):
        """All that is there once these are installed on a bare Debian."""
        found, left = set(), [*packages, *self.base]
        while left:
            package = left.pop()
            if package not in found:
                found.add(package)
                left += self.depends.get(package, [])
        return found

    def package_of(self, path):
        """The package that a file is from. Debian's /bin is a link to /usr/bin now, and packages
        name the one or the other."""
        real = os.path.realpath(path)
        for name in (path, real, path.replace("/usr", "", 1), real.replace("/usr", "", 1)):
            found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True)
            owners = [line.split(":")[0].split(",")[0] for line in found.stdout.splitlines()
                      if not line.startswith("diversion ")]
            if owners:
                return owners[0]
        return None


def meson_calls(function):
    """First arguments of all calls of a function in the meson.build files, with their files."""
    for path in sorted(SOURCE.rglob("meson.build")):
        if not path.relative_to(SOURCE).parts[0].startswith("build"):
            text = re.sub(r"#.*", "", path.read_text("utf-8"))
            for name in re.findall(rf"\b{function}\(\s*'([^']+)'", text):
                yield name, path.relative_to(SOURCE)


def script_programs(path):
    """Words in the place of a command that are programs of this machine."""
    text = path.read_text("utf-8")
    text = re.sub(r"<<'?END'?\n.*?\nEND\n", "\n", text, flags=re.S)
    text = re.sub(r"^\s*#.*", "", text, flags=re.M)
    place = r"(?:^|[|&;{]\s|\$\(|\b(?:if|then|do|else|until|while|exec|as_root|-R|env|xargs)\s|!\s)"
    for word in re.findall(rf"{place}\s*(?:[A-Za-z_]+=\S*\s+)*([a-z][\w.+-]*)(?!=)\b", text, re.M):
        if word not in BUILTINS and shutil.which(word, path=PATH):
            yield word


def python_programs(path):
    """Constant first words of argument lists, and names looked up."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        words = [argument.elts[0] for argument in node.args
                 if isinstance(argument, ast.List) and argument.elts]
        if isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in ("which", "output"):
                words += node.args[:1]
        for word in words:
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                if "/" not in word.value and shutil.which(word.value, path=PATH):
                    yield word.value


@unittest.skipUnless(shutil.which("dpkg-query"), "not a Debian")
class PackagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.listed = listed()
        cls.installed = Installed()

    def group(self, *groups):
        names = [name for name, where in self.listed.items() if where & set(groups)]
        return self.installed.with_dependencies(names)

    def check_file(self, path, what, packages):
        package = self.installed.package_of(path)
        self.assertIsNotNone(package, f"{what}: {path} is from no package")
        self.assertTrue(package in packages, f"{what}: {package} is not installed by ./dev")

    def test_groups_are_known(self):
        for package, groups in self.listed.items():
            self.assertLessEqual(groups, GROUPS, package)

    def test_dependencies_of_the_build_are_in_its_group(self):
        packages = self.group("build")
        names = [call for call in meson_calls("dependency")
                 if call[0] not in BUILTIN_DEPENDENCIES and call[1].parts[0] != "bench"]
        self.assertGreater(len(names), 4, "the meson.build files were not read")
        for name, where in names:
            with self.subTest(dependency=name, where=str(where)):
                folder = output("pkg-config", "--variable=pcfiledir", name).strip()
                self.check_file(f"{folder}/{name}.pc", name, packages)

    def test_what_the_bench_asks_for_is_in_its_group(self):
        """As far as it is installed: only ./dev bench does that."""
        packages = self.group("build", "bench")
        wanted = [name for name, where in meson_calls("dependency") if where.parts[0] == "bench"]
        self.assertEqual(wanted, ["hiredis"])
        for name in wanted:
            found = subprocess.run(["pkg-config", "--variable=pcfiledir", name],
                                   capture_output=True, text=True)
            if found.returncode == 0:
                self.check_file(f"{found.stdout.strip()}/{name}.pc", name, packages)
        programs = {name for path in sorted((SOURCE / "bench").glob("*.py"))
                    for name in python_programs(path)}
        self.assertIn("cc", programs, "the bench was not read")
        for name in sorted(programs - {"git"}):  # only to tell the commit
            with self.subTest(program=name):
                self.check_file(shutil.which(name, path=PATH), name, packages)

    def test_headers_of_the_build_are_in_its_group(self):
        packages = self.group("build")
        for name, where in meson_calls("has_header"):
            with self.subTest(header=name, where=str(where)):
                self.check_file(f"/usr/include/{name}", name, packages)

    def test_programs_of_the_build_are_in_its_group(self):
        for name, where in meson_calls("find_program"):
            with self.subTest(program=name, where=str(where)):
                groups = ["build"] if where.parts[0] != "tests" else ["build", "test", "fuzz"]
                path = shutil.which(name, path=PATH)
                self.assertIsNotNone(path, name)
                self.check_file(path, name, self.group(*groups))

    def test_programs_of_the_scripts_are_listed(self):
        for script in ("dev", ".ci/run"):
            found = set(script_programs(SOURCE / script))
            self.assertTrue(found & {"meson", "grep"}, f"{script} was not read")
            for name in sorted(found - {"sudo"}):
                with self.subTest(script=script, program=name):
                    self.check_file(shutil.which(name, path=PATH), name, self.group(*GROUPS))

    def test_programs_of_the_tests_are_listed(self):
        packages = self.group("build", "test")
        found = {}
        for path in sorted((SOURCE / "tests").rglob("*.py")):
            for name in python_programs(path):
                found.setdefault(name, path.name)
        self.assertIn("dpkg-query", found, "the tests were not read")
        for name, where in sorted(found.items()):
            with self.subTest(program=name, where=where):
                self.check_file(shutil.which(name, path=PATH), name, packages)


if __name__ == "__main__":
    unittest.main()
