"""The rules of the zip, with a broken tree for each, and how it is packed. tests/e2e/test_build.py builds it."""

import hashlib
import io
import os
import random
import zipfile
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import pytest
from pytest_mock import MockerFixture

from tools import build, pin

MANIFEST = b"""\
name: SPS_RADIUS
description: RADIUS login
version: 4.0.0
type: aa
api: 1.6
entry_point: main.py
scb_min_version: 6.7.0
scb_max_version: 9.0.0~
"""


def good_tree() -> Dict[str, bytes]:
    return {
        "MANIFEST": MANIFEST,
        "main.py": b"#!/usr/bin/env pluginwrapper3\nfrom lib.plugin import Plugin\n",
        "default.cfg": b"[radius]\n",
        "LICENSE": b"MIT\n",
        "README.md": b"# SPS_RADIUS\n",
        "CHANGELOG.md": b"# Changelog\n",
        "__main__.py": b"",
        "THIRD-PARTY-LICENSES": b"six\n",
        "lib/__init__.py": b'__version__ = "4.0.0"\n',
        "lib/radius/dictionary": b"ATTRIBUTE User-Name 1 string\n",
        "six.py": b"",
    }


def manifest(old: str, new: str) -> Dict[str, bytes]:
    """The good tree's MANIFEST with ``old``, which it must hold, replaced."""
    assert old.encode() in MANIFEST
    return {"MANIFEST": MANIFEST.replace(old.encode(), new.encode())}


def test_good_tree_breaks_no_rule() -> None:
    assert build.check(good_tree()) == []


def test_every_missing_file_is_reported() -> None:
    for path in build.NEEDED_FILES:
        files = good_tree()
        del files[path]
        assert f"{path}: missing" in build.check(files)


NAME_RULE = "MANIFEST: name must match ^[A-Za-z][A-Za-z0-9_]*$"
VERSION_RULE = "MANIFEST: version must begin with a digit and contain only letters, digits and .+_-"
SAME_VERSION_RULE = "MANIFEST: version must equal __version__ in lib/__init__.py"
API_RULE = "MANIFEST: api must be <major>.<minor>"
SHEBANG_RULE = "main.py: must begin with #!/usr/bin/env pluginwrapper3"
REGULAR_RULE = "must be a regular file, not reached through a symbolic link"
PATH_RULE = "must be a path inside the zip, without '..'"
LIB_RULE = "must not be in lib/, which contains only .py files and the dictionary"
SDK_RULE = "must not be in the zip: SPS provides the SDK"


def test_every_broken_rule_is_reported_with_its_file() -> None:
    cases: List[Tuple[Dict[str, bytes], List[str]]] = [
        ({"MANIFEST": b"name: \xff\n"}, ["MANIFEST: must be UTF-8"]),
        ({"MANIFEST": b"name: [\n"}, ["MANIFEST: must be YAML"]),
        ({"MANIFEST": b"version: 2020-13-45\n"}, ["MANIFEST: must be YAML"]),
        ({"MANIFEST": b"- name\n"}, ["MANIFEST: must be a mapping of fields to values"]),
        ({"MANIFEST": b""}, ["MANIFEST: must be a mapping of fields to values"]),
        (manifest("name: SPS_RADIUS\n", ""), ["MANIFEST: name is required"]),
        (manifest("description: RADIUS login\n", ""), ["MANIFEST: description is required"]),
        (manifest("version: 4.0.0\n", ""), ["MANIFEST: version is required", SAME_VERSION_RULE]),
        (manifest("type: aa\n", ""), ["MANIFEST: type is required"]),
        (manifest("api: 1.6\n", ""), ["MANIFEST: api is required"]),
        (manifest("entry_point: main.py\n", ""), ["MANIFEST: entry_point is required"]),
        (manifest("name: SPS_RADIUS", "name: 4SPS"), [NAME_RULE]),
        (manifest("name: SPS_RADIUS", "name: SPS-RADIUS"), [NAME_RULE]),
        (manifest("name: SPS_RADIUS", "name: SPS\u00c9"), [NAME_RULE]),
        (manifest("name: SPS_RADIUS", 'name: "SPS\\n"'), [NAME_RULE]),
        (manifest("name: SPS_RADIUS", "name: [SPS]"), [NAME_RULE]),
        (manifest("description: RADIUS login", "description: ' '"), ["MANIFEST: description must be text"]),
        (manifest("version: 4.0.0", "version: v4.0.0"), [VERSION_RULE, SAME_VERSION_RULE]),
        (manifest("version: 4.0.0", "version: 4/../4"), [VERSION_RULE, SAME_VERSION_RULE]),
        (manifest("version: 4.0.0", "version: 4.0.1"), [SAME_VERSION_RULE]),
        ({"lib/__init__.py": b"__version__ = str(4)\n"}, [SAME_VERSION_RULE]),
        ({"lib/__init__.py": b'version = "4.0.0"\n'}, [SAME_VERSION_RULE]),
        (manifest("type: aa", "type: credentialstore"), ["MANIFEST: type must be aa"]),
        (manifest("api: 1.6", "api: 1"), [API_RULE]),
        (manifest("api: 1.6", "api: 1.6.0"), [API_RULE]),
        (manifest("api: 1.6", "api: 1.10"), ["MANIFEST: api must be in quotes, 1.10 is read as 1.1"]),
        (manifest("api: 1.6", 'api: "1.10"'), []),
        (manifest("entry_point: main.py", "entry_point: x.py"), ["MANIFEST: entry_point must be main.py"]),
        (manifest("6.7.0", "6.7.0~"), ["MANIFEST: scb_min_version must be a version, such as 6.7.0"]),
        (manifest("6.7.0", "6.10"), ["MANIFEST: scb_min_version must be in quotes, 6.10 is read as 6.1"]),
        (manifest("9.0.0~", "nine"), ["MANIFEST: scb_max_version must be a version, such as 6.7.0 or 6.7.0~"]),
        (manifest("api:", "author_name: we\nauthor_email: we@example.com\napi:"), []),
        (manifest("api:", "author_name: ''\napi:"), ["MANIFEST: author_name must be text"]),
        (manifest("api:", "author_email: nobody\napi:"), ["MANIFEST: author_email must be an address"]),
        (manifest("api:", "author: me\napi:"), ["MANIFEST: author is not a field that SPS knows"]),
        ({"main.py": b"from lib.plugin import Plugin\n"}, [SHEBANG_RULE]),
        ({"main.py": b"#!/usr/bin/env pluginwrapper3\r\nclass Plugin: pass\r\n"}, [SHEBANG_RULE]),
        ({"main.py": b"#!/usr/bin/env pluginwrapper3\nimport lib.plugin\n"}, ["main.py: must define Plugin"]),
        ({"main.py": b"#!/usr/bin/env pluginwrapper3\nclass Plugin: pass\n"}, []),
        ({"main.py": b"#!/usr/bin/env pluginwrapper3\nimport lib\nPlugin = lib.RadiusPlugin\n"}, []),
        ({"main.py": b"#!/usr/bin/env pluginwrapper3\nfrom lib.plugin import P as Plugin\n"}, []),
        ({"main.py": b"#!/usr/bin/env pluginwrapper3\nclass Plugin\n"}, ["main.py: must compile as Python"]),
        ({"default.cfg": "[radius]\n# caf\u00e9\n".encode("latin-1")}, ["default.cfg: must be UTF-8"]),
        ({"default.cfg": b"\xef\xbb\xbf[radius]\n"}, ["default.cfg: must not begin with a byte order mark"]),
        ({"default.cfg": b"#" * 10240}, []),
        ({"default.cfg": b"#" * 10241}, ["default.cfg: must be at most 10240 octets, has 10241"]),
        ({"lib/login.py": b"def f(:\n"}, ["lib/login.py: must compile as Python"]),
        ({"lib/login.py": b"x = 1\0\n"}, ["lib/login.py: must compile as Python"]),
        ({"lib/login.py": b"# -*- coding: latin-1 -*-\nx = '\xe9'\n"}, ["lib/login.py: must be UTF-8"]),
        ({"/etc/passwd": b""}, [f"/etc/passwd: {PATH_RULE}"]),
        ({"lib/../../x": b""}, [f"lib/../../x: {PATH_RULE}"]),
        ({"lib\\x": b""}, [f"lib\\x: {PATH_RULE}"]),
        ({"lib/a..b.py": b""}, []),
        ({"lib/notes.txt": b""}, [f"lib/notes.txt: {LIB_RULE}"]),
        ({"lib/login.so": b""}, [f"lib/login.so: {LIB_RULE}"]),
        ({"lib/cli/dictionary": b""}, [f"lib/cli/dictionary: {LIB_RULE}"]),
        ({"safeguard/sessions/plugin.py": b"", "safeguard/__init__.py": b""}, [f"safeguard: {SDK_RULE}"]),
        (
            {"oneidentity_safeguard_sessions_plugin_sdk-1.6.0.dist-info/METADATA": b""},
            [f"oneidentity_safeguard_sessions_plugin_sdk-1.6.0.dist-info: {SDK_RULE}"],
        ),
    ]
    failures = []
    for change, expected in cases:
        files = good_tree()
        files.update(change)
        broken = build.check(files)
        if broken != expected:
            failures.append((change, broken))
    assert failures == []


def test_zip_has_at_most_twenty_megabytes() -> None:
    files = good_tree()
    files["data"] = b""
    files["data"] = bytes(20 * 1000 * 1000 - len(build.pack(files)))
    assert build.check(files) == []
    files["data"] += b"\0"
    assert build.check(files) == ["zip: must be at most 20000000 octets, has 20000001"]


def test_all_broken_rules_are_reported_at_once() -> None:
    files = good_tree()
    files.update(manifest("type: aa", "type: bb"))
    files.update({"default.cfg": b"\xff", "main.py": b""})
    assert build.check(files) == [
        "MANIFEST: type must be aa",
        SHEBANG_RULE,
        "main.py: must define Plugin",
        "default.cfg: must be UTF-8",
    ]


def test_order_of_the_files_does_not_change_the_zip() -> None:
    files = list(good_tree().items())
    packed = build.pack(dict(files))
    random.Random(1).shuffle(files)
    assert [path for path, _ in files] != list(good_tree())
    assert build.pack(dict(files)) == packed


def test_zip_is_the_same_on_every_python_and_zlib() -> None:
    packed = build.pack({"b.py": b"b" * 5000, "a/\u00e9": b"", "MANIFEST": b"name: x\n"})
    expected = "ef8da895eba457279cfa6f1a9fe74c274a3ffdc63468c073b5471e81e7821cbc"
    assert hashlib.sha256(packed).hexdigest() == expected


def test_entries_are_plain_files_with_a_fixed_time() -> None:
    with zipfile.ZipFile(io.BytesIO(build.pack(good_tree()))) as archive:
        assert archive.namelist() == sorted(good_tree())
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert (entry.create_system, entry.external_attr >> 16) == (3, 0o100644)
            assert entry.compress_type == zipfile.ZIP_STORED
            assert archive.read(entry) == good_tree()[entry.filename]


def test_own_files_leave_out_caches_and_hidden_files(tmp_path: Path) -> None:
    kept = ["MANIFEST", "main.py", "lib/__init__.py", "lib/cli/__init__.py", "lib/radius/dictionary"]
    left = ["README.txt", "lib/__pycache__/x.cpython-36.pyc", "lib/old.pyc", "lib/.login.py.swp", "lib/.git/x"]
    for name in kept + left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert build.own_files(tmp_path) == {name: name.encode() for name in kept}


def test_links_and_special_files_never_reach_the_zip(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_bytes(b"")
    cases: List[Tuple[str, Callable[[Path], None]]] = [
        ("lib/link.py", lambda path: path.symlink_to(outside / "secret.py")),
        ("lib/link.py", lambda path: path.symlink_to("__init__.py")),
        ("lib/link.py", lambda path: path.symlink_to("link.py")),
        ("lib/link.py", lambda path: path.symlink_to("nonexistent")),
        ("lib/link", lambda path: path.symlink_to(outside)),
        ("lib/pipe.py", lambda path: os.mkfifo(str(path))),
        ("main.py", lambda path: path.symlink_to(outside / "secret.py")),
        ("MANIFEST", lambda path: path.symlink_to("nonexistent")),
        ("default.cfg", lambda path: os.mkfifo(str(path))),
        ("LICENSE", lambda path: path.mkdir()),
    ]
    failures: List[Tuple[str, object]] = []
    for number, (name, create) in enumerate(cases):
        tree = tmp_path / str(number)
        (tree / "lib").mkdir(parents=True)
        (tree / "lib" / "__init__.py").write_bytes(b"")
        create(tree / name)
        try:
            failures.append((name, build.own_files(tree)))
        except build.BuildError as error:
            if str(error) != f"{name}: {REGULAR_RULE}":
                failures.append((name, str(error)))
    assert failures == []


def test_folder_behind_a_link_never_reaches_the_zip(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").write_bytes(b"")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "lib").symlink_to(tmp_path / "outside")
    with pytest.raises(build.BuildError) as raised:
        build.own_files(tmp_path / "tree")
    assert str(raised.value) == f"lib/secret.py: {REGULAR_RULE}"


def test_tree_behind_a_link_is_read(tmp_path: Path) -> None:
    (tmp_path / "tree" / "lib").mkdir(parents=True)
    (tmp_path / "tree" / "lib" / "__init__.py").write_bytes(b"1")
    (tmp_path / "link").symlink_to("tree")
    assert build.own_files(tmp_path / "link") == {"lib/__init__.py": b"1"}


def test_command_line_is_at_the_root_where_python_looks_for_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__main__.py").write_bytes(b"1")
    (tmp_path / "__main__.py").write_bytes(b"2")
    assert build.own_files(tmp_path) == {"__main__.py": b"1"}


def wheel(name: str, files: Dict[str, bytes]) -> build.Wheel:
    return build.Wheel(name, "1.0", "ab" * 32, build.pack(files))


def test_sources_and_licenses_of_wheels_are_bundled() -> None:
    one = wheel(
        "one",
        {
            "one/__init__.py": b"1",
            "one/data.txt": b"",
            "one-1.0.data/scripts/one.py": b"",
            "one-1.0.dist-info/METADATA": b"",
            "one-1.0.dist-info/LICENSE.txt": b"license of one\n",
        },
    )
    two = wheel("two", {"two.py": b"2", "two-1.0.dist-info/COPYING": b"\nlicense of two\n\n"})
    files = build.bundled_files([one, two])
    assert sorted(files) == ["THIRD-PARTY-LICENSES", "one/__init__.py", "two.py"]
    assert files["THIRD-PARTY-LICENSES"].decode() == (
        f"one 1.0\nwheel sha256 {'ab' * 32}\n\nlicense of one\n"
        f"\n{'=' * 72}\n\n"
        f"two 1.0\nwheel sha256 {'ab' * 32}\n\nlicense of two\n"
    )


def test_wheel_without_a_license_is_refused() -> None:
    with pytest.raises(build.BuildError):
        build.bundled_files([wheel("two", {"two.py": b"2", "two-1.0.dist-info/METADATA": b""})])


def test_cached_wheels_need_no_pip(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch("sys.executable", "/nonexistent")
    content = build.pack({"one.py": b""})
    sha256 = hashlib.sha256(content).hexdigest()
    (tmp_path / "one-1.0-py3-none-any.whl").write_bytes(content)
    pins = tmp_path / "zip.txt"
    pins.write_text(f"# bundled\n\none==1.0 \\\n    --hash=sha256:{sha256}\n")
    assert build.fetch_wheels(pins, tmp_path) == [build.Wheel("one", "1.0", sha256, content)]


def test_pin_without_a_hash_is_refused(tmp_path: Path) -> None:
    pins = tmp_path / "zip.txt"
    pins.write_text("one==1.0\n")
    with pytest.raises(build.BuildError) as raised:
        build.fetch_wheels(pins, tmp_path)
    assert str(raised.value) == "zip.txt: not <name>==<version> --hash=sha256:<hash>: one==1.0"


def test_tests_use_the_wheels_that_the_zip_bundles() -> None:
    bundled = pin.PIN.findall(build.REQUIREMENTS.read_text())
    assert len(bundled) == 2
    assert set(bundled) <= set(pin.PIN.findall((pin.REQUIREMENTS / "test.txt").read_text()))
