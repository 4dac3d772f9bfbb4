"""docs/transcripts.md is up to date."""

from pathlib import Path

import pytest

from tests.support import transcripts


@pytest.fixture
def document(ssh_command: str, telnet_command: str, plugin_zip: Path, tmp_path: Path) -> str:
    """The document made from sessions that run now."""
    return transcripts.document(ssh_command, telnet_command, plugin_zip, tmp_path)


@pytest.mark.slow
def test_document_is_up_to_date(document: str) -> None:
    if "(alice@bastion) " not in document:
        pytest.skip("this ssh is too old: it does not show the user name in front of each question")
    assert transcripts.DOCUMENT.read_text(encoding="utf-8") == document, "run: python -m tests.support.transcripts"
