"""Updates the hashes of the pinned packages in requirements/: `python -m tools.pin`.

For each ``name==version`` the lists get the hash of every wheel of that version, for any platform and Python, as the
package index names them. pip's configuration says which index that is.
"""

import pathlib
import re
from typing import Callable, Match, Sequence

REQUIREMENTS = pathlib.Path(__file__).resolve().parent.parent / "requirements"
PIN = re.compile(
    r"(?m)^(?P<pin>(?P<name>[\w.-]+)==(?P<version>[\w.]+)(?:; [^\\\n]*[^\\\s])?)(?P<hashes>(?:[ \\\n]+--hash=\S+)*)$"
)

Find = Callable[[str, str], Sequence[str]]
"""Returns the SHA-256 hashes of the wheels of a package's version."""


def with_hashes(requirements: str, find: Find) -> str:
    """Return the text of a list with the hashes of each pin replaced by those that `find` returns."""

    def pin(match: Match[str]) -> str:
        hashes = find(match.group("name"), match.group("version"))
        return " \\\n    ".join([match.group("pin"), *(f"--hash=sha256:{sha256}" for sha256 in sorted(hashes))])

    return PIN.sub(pin, requirements)


def wheel_hashes(page: str, name: str, version: str) -> Sequence[str]:
    """Return the SHA-256 hashes of the wheels of `version` on a package's page of the index (PEP 503).

    Raises LookupError if there is none.
    """
    links = re.findall(r'href="[^"]*?([^"/#]+)\.whl#sha256=([0-9a-f]{64})"', page)
    hashes = [sha256 for file_name, sha256 in links if file_name.split("-")[1] == version]
    if not hashes:
        raise LookupError(f"{name}=={version}: the index has no wheel with a SHA-256 hash")
    return hashes


def main() -> None:
    """Rewrite every list in requirements/."""
    # pip's own client, since its configuration names the index, proxy, certificates and credentials. Imported here
    # because that import takes long and warns on Python 3.6.
    from pip._internal.commands.download import DownloadCommand

    command = DownloadCommand("download", "")
    options, _ = command.parse_args([])
    with command.main_context():
        session = command.get_default_session(options)

        def find(name: str, version: str) -> Sequence[str]:
            page = re.sub(r"[-_.]+", "-", name).lower()
            response = session.get(f"{options.index_url.rstrip('/')}/{page}/", headers={"Accept": "text/html"})
            response.raise_for_status()
            return wheel_hashes(response.text, name, version)

        for path in sorted(REQUIREMENTS.glob("*.txt")):
            path.write_text(with_hashes(path.read_text(encoding="utf-8"), find), encoding="utf-8")


if __name__ == "__main__":
    main()
