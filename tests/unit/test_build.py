"""The zip: its rules, a broken tree for each; the same octets always; and what a real build holds."""

import hashlib
import io
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Dict, List

import pytest

from tools import build

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


def test_a_good_tree_breaks_no_rule() -> None:
    assert build.check(good_tree()) == []


@pytest.mark.parametrize("path", build.NEEDED_FILES)
def test_a_missing_file(path: str) -> None:
    files = good_tree()
    del files[path]
    assert f"{path}: missing" in build.check(files)


NAME_RULE = "MANIFEST: name must match ^[A-Za-z][A-Za-z0-9_]*$"
VERSION_RULE = "MANIFEST: version must begin with a numeral and hold only letters, numerals and .+_-"
SAME_VERSION_RULE = "MANIFEST: version must equal __version__ in lib/__init__.py"
API_RULE = "MANIFEST: api must be <major>.<minor>"
SHEBANG_RULE = "main.py: must begin with #!/usr/bin/env pluginwrapper3"
PATH_RULE = "must be a path inside the zip, without '..'"
SDK_RULE = "must not be in the zip, SPS brings the SDK itself"


@pytest.mark.parametrize(
    "change, expected",
    [
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
        (manifest("6.7.0", "6.7.0~"), ["MANIFEST: scb_min_version must be a version, as 6.7.0"]),
        (manifest("6.7.0", "6.10"), ["MANIFEST: scb_min_version must be in quotes, 6.10 is read as 6.1"]),
        (manifest("9.0.0~", "nine"), ["MANIFEST: scb_max_version must be a version, as 6.7.0 or 6.7.0~"]),
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
        ({"lib/a..b": b""}, []),
        ({"safeguard/sessions/plugin.py": b"", "safeguard/__init__.py": b""}, [f"safeguard: {SDK_RULE}"]),
        (
            {"oneidentity_safeguard_sessions_plugin_sdk-1.6.0.dist-info/METADATA": b""},
            [f"oneidentity_safeguard_sessions_plugin_sdk-1.6.0.dist-info: {SDK_RULE}"],
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_file(change: Dict[str, bytes], expected: List[str]) -> None:
    files = good_tree()
    files.update(change)
    assert build.check(files) == expected


def test_a_zip_of_twenty_megabytes_is_the_largest_allowed() -> None:
    files = good_tree()
    files["lib/data"] = b""
    files["lib/data"] = bytes(20 * 1000 * 1000 - len(build.pack(files)))
    assert build.check(files) == []
    files["lib/data"] += b"\0"
    assert build.check(files) == ["zip: must be at most 20000000 octets, has 20000001"]


def test_all_broken_rules_are_found_at_once() -> None:
    files = good_tree()
    files.update(manifest("type: aa", "type: bb"))
    files.update({"default.cfg": b"\xff", "main.py": b""})
    assert build.check(files) == [
        "MANIFEST: type must be aa",
        SHEBANG_RULE,
        "main.py: must define Plugin",
        "default.cfg: must be UTF-8",
    ]


def test_packing_knows_no_order() -> None:
    files = list(good_tree().items())
    packed = build.pack(dict(files))
    random.Random(1).shuffle(files)
    assert [path for path, _ in files] != list(good_tree())
    assert build.pack(dict(files)) == packed


def test_packing_gives_the_same_octets_on_every_python_and_zlib() -> None:
    packed = build.pack({"b.py": b"b" * 5000, "a/\u00e9": b"", "MANIFEST": b"name: x\n"})
    expected = "ef8da895eba457279cfa6f1a9fe74c274a3ffdc63468c073b5471e81e7821cbc"
    assert hashlib.sha256(packed).hexdigest() == expected


def test_entries_are_plain_files_of_a_fixed_time() -> None:
    with zipfile.ZipFile(io.BytesIO(build.pack(good_tree()))) as archive:
        assert archive.namelist() == sorted(good_tree())
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert (entry.create_system, entry.external_attr >> 16) == (3, 0o100644)
            assert entry.compress_type == zipfile.ZIP_STORED
            assert archive.read(entry) == good_tree()[entry.filename]


def test_own_files_leave_out_caches_and_hidden_files(tmp_path: Path) -> None:
    kept = ["MANIFEST", "main.py", "lib/__init__.py", "lib/cli/__init__.py", "lib/radius/dictionary"]
    left = ["README.md", "lib/__pycache__/x.cpython-36.pyc", "lib/old.pyc", "lib/.login.py.swp", "lib/.git/x"]
    for name in kept + left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    assert build.own_files(tmp_path) == {name: name.encode() for name in kept}


def test_command_line_goes_to_the_root_where_python_looks_for_it(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__main__.py").write_bytes(b"1")
    (tmp_path / "__main__.py").write_bytes(b"2")
    assert build.own_files(tmp_path) == {"__main__.py": b"1"}


def wheel(name: str, files: Dict[str, bytes]) -> build.Wheel:
    return build.Wheel(name, "1.0", "ab" * 32, build.pack(files))


def test_bundled_files_are_sources_and_every_licence() -> None:
    one = wheel(
        "one",
        {
            "one/__init__.py": b"1",
            "one/data.txt": b"",
            "one-1.0.data/scripts/one.py": b"",
            "one-1.0.dist-info/METADATA": b"",
            "one-1.0.dist-info/LICENSE.txt": b"licence of one\n",
        },
    )
    two = wheel("two", {"two.py": b"2", "two-1.0.dist-info/COPYING": b"\nlicence of two\n\n"})
    files = build.bundled_files([one, two])
    assert sorted(files) == ["THIRD-PARTY-LICENSES", "one/__init__.py", "two.py"]
    assert files["THIRD-PARTY-LICENSES"].decode() == (
        f"one 1.0\nwheel sha256 {'ab' * 32}\n\nlicence of one\n"
        f"\n{'=' * 72}\n\n"
        f"two 1.0\nwheel sha256 {'ab' * 32}\n\nlicence of two\n"
    )


def test_a_wheel_without_a_licence_is_refused() -> None:
    with pytest.raises(build.BuildError):
        build.bundled_files([wheel("two", {"two.py": b"2", "two-1.0.dist-info/METADATA": b""})])


def test_cached_wheels_need_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    content = build.pack({"one.py": b""})
    sha256 = hashlib.sha256(content).hexdigest()
    (tmp_path / "one-1.0-py3-none-any.whl").write_bytes(content)
    pins = tmp_path / "zip.txt"
    pins.write_text(f"# bundled\n\none==1.0 --hash=sha256:{sha256}\n")
    assert build.fetch_wheels(pins, tmp_path) == [build.Wheel("one", "1.0", sha256, content)]


def test_a_pin_without_a_hash_is_refused(tmp_path: Path) -> None:
    pins = tmp_path / "zip.txt"
    pins.write_text("one==1.0\n")
    with pytest.raises(build.BuildError) as raised:
        build.fetch_wheels(pins, tmp_path)
    assert str(raised.value) == "zip.txt: not <name>==<version> --hash=sha256:<hash>: one==1.0"


def test_the_tests_run_with_what_the_zip_bundles() -> None:
    bundled = re.findall(r"(?m)^(\S+==\S+) --hash", build.REQUIREMENTS.read_text())
    assert len(bundled) == 2
    assert set(bundled) <= set((build.ROOT / "requirements" / "test.txt").read_text().splitlines())


def test_a_broken_tree_gives_a_line_for_each_rule_and_no_zip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "LICENSE").write_bytes(b"MIT\n")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    assert build.main(["--output", str(tmp_path / "dist")]) == 1
    printed = capsys.readouterr()
    missing = ["MANIFEST", "main.py", "default.cfg", "__main__.py", "lib/__init__.py", "lib/radius/dictionary"]
    assert printed.err.splitlines() == [f"{path}: missing" for path in missing]
    assert printed.out == ""
    assert not (tmp_path / "dist").exists()


@pytest.fixture(scope="session")
def real_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of this tree, built afresh."""
    output = tmp_path_factory.mktemp("dist")
    assert build.main(["--output", str(output)]) == 0
    (path,) = output.iterdir()
    return path


@pytest.fixture(scope="session")
def unpacked(real_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("zip")
    with zipfile.ZipFile(str(real_zip)) as archive:
        archive.extractall(str(directory))
    return directory


def test_the_real_zip_is_named_after_the_manifest(real_zip: Path) -> None:
    text = (build.ROOT / "MANIFEST").read_text(encoding="utf-8")
    fields = dict(re.findall(r"(?m)^(name|version): *['\"]?([^'\"\n]*)", text))
    assert real_zip.name == f"{fields['name']}-{fields['version']}.zip"


def test_the_real_zip_holds_everything_and_nothing_else(unpacked: Path) -> None:
    found = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    ours = {path.relative_to(build.ROOT).as_posix() for path in (build.ROOT / "lib").rglob("*.py")}
    ours.remove(build.COMMAND_LINE_IN_TREE)
    assert {*build.NEEDED_FILES, *ours, "six.py", "pyrad/packet.py"} <= found
    rest = [path for path in found if not re.match(r"lib/|pyrad/.*\.py$", path)]
    assert sorted(rest) == sorted([*build.OWN_FILES, build.COMMAND_LINE, build.LICENSES_FILE, "six.py"])
    assert not [path for path in found if path.endswith(".pyc")]


def test_the_real_zip_lists_the_licences_of_what_it_bundles(unpacked: Path) -> None:
    text = (unpacked / build.LICENSES_FILE).read_text(encoding="utf-8")
    for line in re.findall(r"(?m)^\w+==.*", build.REQUIREMENTS.read_text()):
        name, version, sha256 = re.split(r"==| --hash=sha256:", line)
        assert f"{name} {version}\nwheel sha256 {sha256}\n" in text
    for words in ("Copyright 2020 Istvan Ruzman", "Benjamin Peterson"):
        assert words in text


def test_the_real_zip_brings_pyrad_and_all_it_needs(unpacked: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import lib.radius.packet, pyrad.packet, pyrad.dictionary, netaddr, six\n"
        "print(pyrad.__file__, netaddr.__file__, six.__file__, sep='\\n')\n"
    )
    # Without site-packages and the environment: only the unpacked zip and the standard library.
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(unpacked)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    assert result.returncode == 0, result.stderr
    names = ["pyrad/__init__.py", "lib/radius/pyrad_codec.py", "six.py"]
    assert result.stdout.splitlines() == [str(unpacked / name) for name in names]


def test_the_real_zip_is_the_same_when_built_again(
    real_zip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build.main(["--output", str(tmp_path)]) == 0
    content = (tmp_path / real_zip.name).read_bytes()
    assert content == real_zip.read_bytes()
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / real_zip.name),
        f"{len(content)} octets",
        f"sha256 {hashlib.sha256(content).hexdigest()}",
    ]
