"""Builds the zip for SPS, dist/<name>-<version>.zip: from one tree, the same octets on any machine.

``check`` and ``pack`` are pure, over a mapping of each path in the zip to its octets. The other functions read the
tree, fetch the bundled wheels and write the zip.
"""

import argparse
import ast
import hashlib
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

import yaml

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements" / "zip.txt"
WHEEL_CACHE = ROOT / "build" / "wheels"

LICENSES_FILE = "THIRD-PARTY-LICENSES"
OWN_FILES = ("MANIFEST", "main.py", "default.cfg", "LICENSE", "README.md", "CHANGELOG.md")
# Python runs it when it runs the zip. SPS imports main.py only.
COMMAND_LINE, COMMAND_LINE_IN_TREE = "__main__.py", "lib/__main__.py"
DICTIONARY = "lib/radius/dictionary"
NEEDED_FILES = OWN_FILES + (COMMAND_LINE, "lib/__init__.py", DICTIONARY, LICENSES_FILE)

SHEBANG = b"#!/usr/bin/env pluginwrapper3"
# entry_point is optional for SPS, which then runs the plugin under Python 2.
REQUIRED_FIELDS = ("name", "description", "version", "type", "api", "entry_point")
FIELD_RULES = {
    "name": (r"[A-Za-z][A-Za-z0-9_]*", "must match ^[A-Za-z][A-Za-z0-9_]*$"),
    "description": (r"(?s).*\S.*", "must be text"),
    "version": (r"(?a)[0-9][\w.+-]*", "must begin with a digit and contain only letters, digits and .+_-"),
    "type": (r"aa", "must be aa"),
    "api": (r"[0-9]+\.[0-9]+", "must be <major>.<minor>"),
    "entry_point": (r"main\.py", "must be main.py"),
    "author_name": (r"(?s).*\S.*", "must be text"),
    "author_email": (r"[-+_.a-zA-Z0-9]+@[-_a-zA-Z0-9]+(\.[-_a-zA-Z0-9]+)*", "must be an address"),
    "scb_min_version": (r"[0-9]+(\.[0-9]+)*", "must be a version, such as 6.7.0"),
    "scb_max_version": (r"[0-9]+(\.[0-9]+)*~?", "must be a version, such as 6.7.0 or 6.7.0~"),
}
CONFIGURATION_LIMIT = 10 * 1024
ZIP_LIMIT = 20 * 1000 * 1000

Files = Mapping[str, bytes]


class BuildError(Exception):
    """The zip cannot be built; its text is one or more lines for the user."""


class Wheel(NamedTuple):
    """A bundled package: a wheel that zip.txt names, with a verified hash."""

    name: str
    version: str
    sha256: str
    content: bytes


def pack(files: Files) -> bytes:
    """Return the zip of ``files``; equal files result in equal octets, regardless of their order and the time."""
    packed = io.BytesIO()
    # Stored, because the output of deflate differs between versions of zlib.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # Unix
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[path])
    return packed.getvalue()


def check(files: Files) -> List[str]:
    """Return ``<file>: <rule>`` for each rule of SPS or of ours that ``files`` break."""
    broken = [f"{path}: missing" for path in NEEDED_FILES if path not in files]
    broken += _check_paths(files)
    if "MANIFEST" in files:
        broken += _check_manifest(files)
    if "main.py" in files:
        broken += _check_entry_point(files["main.py"])
    if "default.cfg" in files:
        broken += _check_configuration(files["default.cfg"])
    for path in sorted(files):
        if path.endswith(".py") and (path in ("main.py", COMMAND_LINE) or path.startswith("lib/")):
            broken += _check_source(path, files[path])
    size = len(pack(files))
    if size > ZIP_LIMIT:
        broken.append(f"zip: must be at most {ZIP_LIMIT} octets, has {size}")
    return broken


def _check_paths(files: Files) -> List[str]:
    broken = []
    for path in sorted(files):
        if path.startswith("/") or "\\" in path or ":" in path or ".." in path.split("/"):
            broken.append(f"{path}: must be a path inside the zip, without '..'")
        elif path.startswith("lib/") and not path.endswith(".py") and path != DICTIONARY:
            broken.append(f"{path}: must not be in lib/, which contains only .py files and the dictionary")
    for top in sorted({path.split("/")[0] for path in files}):
        if top in ("safeguard", "safeguard.py") or "sdk" in top.lower():
            broken.append(f"{top}: must not be in the zip: SPS provides the SDK")
    return broken


def _check_manifest(files: Files) -> List[str]:
    try:
        text = files["MANIFEST"].decode("utf-8")
        # As SPS reads it, and again with every value as it is written.
        manifest = yaml.safe_load(text)
        written = yaml.load(text, Loader=yaml.BaseLoader)
    except UnicodeDecodeError:
        return ["MANIFEST: must be UTF-8"]
    except (yaml.YAMLError, ValueError):  # ValueError: an invalid date
        return ["MANIFEST: must be YAML"]
    if not isinstance(manifest, dict):
        return ["MANIFEST: must be a mapping of fields to values"]

    broken = [f"MANIFEST: {name} is required" for name in REQUIRED_FIELDS if name not in written]
    for name, value in written.items():
        if name not in FIELD_RULES:
            broken.append(f"MANIFEST: {name} is not a field that SPS knows")
            continue
        pattern, rule = FIELD_RULES[name]
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            broken.append(f"MANIFEST: {name} {rule}")
        elif str(manifest[name]) != value:
            # 1.10 without quotes is the number 1.1.
            broken.append(f"MANIFEST: {name} must be in quotes, {value} is read as {manifest[name]}")
    if _assigned_version(files.get("lib/__init__.py", b"")) != written.get("version"):
        broken.append("MANIFEST: version must equal __version__ in lib/__init__.py")
    return broken


def _assigned_version(source: bytes) -> Optional[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    for node in tree.body:
        if isinstance(node, ast.Assign) and "__version__" in _bound_names(node):
            try:
                return str(ast.literal_eval(node.value))
            except ValueError:
                return None
    return None


def _bound_names(node: ast.stmt) -> List[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _check_entry_point(source: bytes) -> List[str]:
    broken = []
    if source.split(b"\n")[0] != SHEBANG:
        broken.append(f"main.py: must begin with {SHEBANG.decode('ascii')}")
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return broken  # _check_source reports it
    if not any("Plugin" in _bound_names(node) for node in tree.body):
        broken.append("main.py: must define Plugin")
    return broken


def _check_configuration(content: bytes) -> List[str]:
    broken = []
    try:
        if content.decode("utf-8").startswith("\ufeff"):
            broken.append("default.cfg: must not begin with a byte order mark")
    except UnicodeDecodeError:
        broken.append("default.cfg: must be UTF-8")
    if len(content) > CONFIGURATION_LIMIT:
        broken.append(f"default.cfg: must be at most {CONFIGURATION_LIMIT} octets, has {len(content)}")
    return broken


def _check_source(path: str, source: bytes) -> List[str]:
    try:
        compile(source.decode("utf-8"), path, "exec", dont_inherit=True)
    except UnicodeDecodeError:
        return [f"{path}: must be UTF-8"]
    except (SyntaxError, ValueError):
        return [f"{path}: must compile as Python"]
    return []


def own_files(root: Path = ROOT) -> Dict[str, bytes]:
    """Return the plugin's own files in the tree at ``root`` by their path in the zip, as far as they exist.

    Raise BuildError for a symbolic link, a FIFO and the like.
    """
    names = [*OWN_FILES, *(_tracked_files(root) if (root / ".git").exists() else _found_files(root))]
    files = {}
    broken = []
    for name in names:
        path = root / name
        # Compare the whole path, because a directory in it may be a link too.
        if os.path.isfile(path) and os.path.realpath(path) == os.path.join(os.path.realpath(root), name):
            files[name] = path.read_bytes()
        elif os.path.lexists(path):
            broken.append(f"{name}: must be a regular file, not reached through a symbolic link")
    if broken:
        raise BuildError("\n".join(broken))
    if COMMAND_LINE_IN_TREE in files:
        files[COMMAND_LINE] = files.pop(COMMAND_LINE_IN_TREE)
    return files


def _tracked_files(root: Path) -> List[str]:
    """Return the files in lib/ that git tracks; print a line for each other file that git does not ignore."""
    git = ["git", "--git-dir", str(root / ".git"), "--work-tree", str(root), "ls-files", "-z"]
    # In a git hook, variables may name another repository or index.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def list_files(*options: str) -> List[str]:
        command = [*git, *options, "--", "lib"]
        result = subprocess.run(command, cwd=str(root), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if result.returncode != 0:
            raise BuildError(f"git cannot list the files in lib/: {os.fsdecode(result.stderr).strip()}")
        return os.fsdecode(result.stdout).split("\0")[:-1]

    try:
        tracked = list_files()
    except FileNotFoundError:  # git is not installed
        return _found_files(root)
    for name in list_files("--others", "--exclude-standard"):
        print(f"{name}: not tracked by git, left out of the zip", file=sys.stderr)
    return tracked


def _found_files(root: Path) -> List[str]:
    """Return the files and links in lib/, except hidden and compiled ones."""
    paths: List[Path] = []
    for directory, subdirectories, names in os.walk(str(root / "lib")):
        subdirectories[:] = [name for name in subdirectories if not name.startswith((".", "__pycache__"))]
        names += [name for name in subdirectories if os.path.islink(os.path.join(directory, name))]
        paths += [Path(directory, name) for name in names if not name.startswith(".") and not name.endswith(".pyc")]
    return [path.relative_to(root).as_posix() for path in paths]


def bundled_files(wheels: Sequence[Wheel]) -> Dict[str, bytes]:
    """Return what ``wheels`` put at the zip's root: their Python sources, and a file of all their licenses.

    Raise BuildError for a wheel without a license file. Sources only: nothing here reads a package's data files.
    """
    files = {}
    notices = []
    for wheel in wheels:
        notice = []
        with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
            for path in archive.namelist():
                top = path.split("/")[0]
                if top.endswith(".dist-info"):
                    if re.match(r"(LICEN[CS]E|COPYING)", PurePosixPath(path).name):
                        notice.append(archive.read(path).strip())
                elif path.endswith(".py") and not top.endswith(".data"):
                    files[path] = archive.read(path)
        if not notice:
            raise BuildError(f"{wheel.name}: the wheel has no license file")
        title = f"{wheel.name} {wheel.version}\nwheel sha256 {wheel.sha256}\n\n"
        notices.append(title.encode("ascii") + b"\n\n".join(notice) + b"\n")
    files[LICENSES_FILE] = (b"\n" + b"=" * 72 + b"\n\n").join(notices)
    return files


def fetch_wheels(requirements: Path = REQUIREMENTS, cache: Path = WHEEL_CACHE) -> List[Wheel]:
    """Return the wheels that ``requirements`` pin by hash; ask pip unless ``cache`` holds them all.

    Raise BuildError if pip cannot get them.
    """
    found = _cached_wheels(requirements, cache)
    if found is None:
        pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input"]
        pip += ["--require-hashes", "--no-deps", "--only-binary", ":all:"]
        pip += ["--requirement", str(requirements), "--dest", str(cache)]
        result = subprocess.run(pip, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if result.returncode != 0:
            output = result.stdout.decode("utf-8", "replace")
            raise BuildError(
                f"{output}pip could not download the packages in {requirements.name}; see its output above"
            )
        found = _cached_wheels(requirements, cache)
    if found is None:
        raise BuildError(f"{requirements.name}: pip downloaded no wheel with a pinned hash")
    return found


def _cached_wheels(requirements: Path, cache: Path) -> Optional[List[Wheel]]:
    contents = [path.read_bytes() for path in cache.glob("*.whl")]
    by_hash = {hashlib.sha256(content).hexdigest(): content for content in contents}
    wheels = []
    for line in requirements.read_text(encoding="utf-8").replace("\\\n", "").splitlines():
        pin = re.fullmatch(r"([\w-]+)==(\S+) +--hash=sha256:([0-9a-f]{64})", line.strip())
        if pin is None:
            if line.strip() and not line.startswith("#"):
                raise BuildError(f"{requirements.name}: not <name>==<version> --hash=sha256:<hash>: {line}")
            continue
        name, version, sha256 = pin.groups()
        if sha256 not in by_hash:
            return None
        wheels.append(Wheel(name, version, sha256, by_hash[sha256]))
    return wheels


def build(root: Path, output: Path) -> Path:
    """Write the zip of the tree at ``root`` into the directory ``output``; return its path.

    Raise BuildError if the tree breaks a rule or the wheels cannot be had; an older zip is then left alone.
    """
    files = dict(bundled_files(fetch_wheels()))
    files.update(own_files(root))
    broken = check(files)
    if broken:
        raise BuildError("\n".join(broken))
    manifest = yaml.safe_load(files["MANIFEST"].decode("utf-8"))
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{manifest['name']}-{manifest['version']}.zip"
    unfinished = path.with_suffix(f".{os.getpid()}")  # renamed below, because two builds may run at once
    unfinished.write_bytes(pack(files))
    os.replace(str(unfinished), str(path))
    return path


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Build the zip and print its path, size and hash, one per line; return the exit status."""
    parser = argparse.ArgumentParser(prog="build.sh", description="Builds the zip to upload to SPS.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="output directory (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        path = build(ROOT, options.output.resolve())
    except (BuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    content = path.read_bytes()
    print(path)
    print(f"{len(content)} octets")
    print(f"sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
