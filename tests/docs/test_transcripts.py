"""docs/transcripts.md shows what users see today."""

from pathlib import Path

import pytest

from tests.support import transcripts


@pytest.fixture
def document(ssh_command: str, telnet_command: str, plugin_zip: Path, tmp_path: Path) -> str:
    """The document as it would be written now."""
    return transcripts.document(ssh_command, telnet_command, plugin_zip, tmp_path)


def test_document_is_that_of_today(document: str) -> None:
    if "(alice@bastion) " not in document:
        pytest.skip("this ssh is old: it does not put the name before each question")
    assert transcripts.DOCUMENT.read_text(encoding="utf-8") == document, "run: python3 -m tests.support.transcripts"
