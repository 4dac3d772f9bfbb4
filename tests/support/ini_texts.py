"""INI text for the tests: odd values, and strategies for text that is valid and for any text."""

from typing import Any, Sequence

import hypothesis.strategies as st

VERBATIM = (
    ["plain", "50%", "100%sure", "a%%b % c", "%", "%(", "%(no_such_option)s", "%()s", "%(secret)s", "%s%d"]
    + ["$ecret", "$$$", "a$", "${HOME}", '"', '""', '"quoted"', "'single'", '"half', 'half"', "it's"]
    + ["a;b", "a ; b", "; a", "# a", "a #b", "= a", "a=b=", ":a:b:", "[a]", "[radius]", "\\n\\"]
    + ["pässwörd", "пароль", "密码", "\U0001f511"]
    + ["a\tb", "a  b", "a\xa0b", "a\x85b", "a\u2028b", "a\x0cb", "a\x1cb"]
)
"""Secrets that are what is written."""

PIECES = st.sampled_from(
    [" ", "\t", "%", "%%", "%(a)s", "%(b)s", "%(SERVER)s", "%(", "%()s", ")s", "$", "$$", '"', "'", "=", ":", "#", ";"]
    + ["[", "]", "[x]", "\\", "a", "B", "1", "yes", "ä", "日", "\U0001f511"]
    + ["\xa0", "\u2028", "\x85", "\x0c", "\x1c", "\r", "\0", "\n ", "\n\t", "\n\n  ", "\n  # ", "\n ; "]
)
NAMES = st.sampled_from(["a", "b", "A b", "server", "Secret", "port", "limit", "prompt", "key", "name", "ä", "%"])
OUR_SECTIONS = ["DEFAULT", "radius", "radius_2", "auth", "username", "x y", "Radius"]
SDK_SECTIONS = ["question_1", "usermapping source=explicit", "credential_store", "https_proxy"]
SDK_SECTIONS += ["whitelist source=user_list"]


def ini_texts(names: Sequence[str]) -> Any:
    """Return a strategy for INI text with some of these sections, each at most once."""
    values = st.lists(PIECES, max_size=6).map("".join)
    line = st.tuples(NAMES, st.sampled_from(["=", " = ", ": ", "\t=", " :"]), values, st.sampled_from(["", " ", "\r"]))
    body = st.lists(line.map(lambda parts: "".join(parts) + "\n"), max_size=4).map("".join)
    comment = st.sampled_from(["", "\n", "; comment = 1\n", "# [comment]\n", " \n"])
    section = st.tuples(st.sampled_from(list(names)), comment, body)
    return st.lists(section, max_size=5, unique_by=lambda parts: parts[0]).map(
        lambda sections: "".join("[{}]\n{}{}".format(*parts) for parts in sections)
    )


LINES = st.one_of(
    st.sampled_from(
        ["[radius]", "[radius_2]", "[auth]", " [auth]", "[challenge_answers]", "  [challenge_answers]", "[DEFAULT]"]
        + ["[]", "[", "]", "[\0]", "[radius]x", "[question_1]", "[logging]", "[credential_store]"]
        + ["=", "= x", "a", "a=b", "a = ", " c", "\tc = d", "%", "a=%(b)s", "b=%(a)s", "a=%(a)s"]
        + ["secret=$", "secret=$$", "server=a", "port=0", "# c", "; c", "", "\ufeff", "( = 1", "a:b=c", "\r", "\0"]
        + ["secret=\ud800", "limit=\n 1", "log_level=x", "\u2028", "\x85a=b", "rem a"]
    ),
    st.text(max_size=12),
)
FILES = st.tuples(st.lists(LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"])).map(
    lambda parts: parts[1].join(parts[0])
)
