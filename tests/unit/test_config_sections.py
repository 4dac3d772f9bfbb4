"""The sections for logins: [challenge_answers], groups, attributes, [lockout], [messages]."""

from lib.config.model import GroupRules, LockoutRules
from lib.secret import Secret
from tests.support.configuration import HIDDEN, MINIMAL, check, valid

# [challenge_answers]


DOUBTS = {"$": ["[challenge_answers] line 5: is `$`, which is not looked up in the Credential Store in this section"]}


def test_challenge_answers_are_read_verbatim() -> None:
    wrong = []
    for line, pattern, answer in (
        ("push=1", "push", "1"),
        ("1\\) Push to phone = 1", "1\\) Push to phone", "1"),
        ("Choose: .*SMS = 2", "Choose: .*SMS", "2"),
        ("code:$ = a=b", "code:$", "a=b"),
        ("^Menu$ = ", "^Menu$", ""),
        ('PIN = " 1 "', "PIN", " 1 "),
        ("50% = 100%", "50%", "100%"),
        ("%% = %(x)s", "%%", "%(x)s"),
        ("  indented = 1  ", "indented", "1"),
        ("выбор = да", "выбор", "да"),
        ("a # b = ; c", "a # b", "; c"),
        ("(?:a|b){2,3}[^c] = d", "(?:a|b){2,3}[^c]", "d"),
        ("cost = $", "cost", "$"),
        ("a\u2028b = \x85c\x1cd", "a\u2028b", "c\x1cd"),
    ):
        text = MINIMAL + "[challenge_answers]\n" + line + "\n[auth]\nmax_attempts=1\n"
        settings, errors, warnings = check(text)
        found = (
            [(each.pattern.pattern, each.answer.reveal()) for each in settings.challenge_answers] if settings else []
        )
        if (
            settings is None
            or settings.auth.max_attempts != 1
            or found != [(pattern, answer)]
            or warnings != DOUBTS.get(answer, [])
        ):
            wrong.append((line, found, errors, warnings))
    assert wrong == []


def test_challenge_answers_match_in_any_case_and_keep_their_order() -> None:
    text = "[challenge_answers]\nENTER pin = 1\n; comment = 2\n\n  # comment = 3\nEnter = 4\n" + MINIMAL
    settings = valid(text)
    assert [answer.answer for answer in settings.challenge_answers] == [Secret("1"), Secret("4")]
    assert settings.challenge_answers[0].pattern.search("Please enter PIN:")
    assert not settings.challenge_answers[0].pattern.search("Please enter code:")


def test_a_pattern_may_be_given_twice() -> None:
    # Each line answers once per attempt.
    settings = valid(MINIMAL + "[challenge_answers]\nNext code = 1\nNext code = 2\n")
    found = [(each.pattern.pattern, each.answer.reveal()) for each in settings.challenge_answers]
    assert found == [("Next code", "1"), ("Next code", "2")]


def test_a_pattern_may_begin_with_a_bracket() -> None:
    wrong = []
    for pattern in ("[12]\\) push", "[Pp]ush", "[a]", "[auth]\\w"):
        settings, errors, warnings = check(MINIMAL + "[challenge_answers]\n" + pattern + " = 1\nSMS = 2\n")
        found = [answer.pattern.pattern for answer in settings.challenge_answers] if settings else []
        if warnings or found != [pattern, "SMS"]:
            wrong.append((pattern, found, errors, warnings))
    assert wrong == []
    errors = check(MINIMAL + "[challenge_answers]\n[ = 1\nSMS = 2\n").errors
    assert len(errors) == 1 and "line 5: invalid regular expression" in errors[0]


def test_challenge_answers_without_both_sides_are_errors() -> None:
    wrong = []
    for line in (HIDDEN, "=" + HIDDEN, "  = " + HIDDEN, HIDDEN + ": x", "[" + HIDDEN):
        errors = check(MINIMAL + "[challenge_answers]\n\n" + line + "\n").errors
        if errors != ["[challenge_answers] line 6: expected `pattern = answer`"]:
            wrong.append((line, errors))
    assert wrong == []


def test_invalid_patterns_are_errors_that_do_not_quote_the_answer() -> None:
    patterns = ["(", ")", "[a", "*", "a{2,1}", "(?P<n>a)(?P<n>b)", "(?<=a*)b", "\\", "\\8", "(?L)a", "(?z)"]
    # The compiler raises OverflowError and RecursionError at these.
    patterns += ["a{99999999999}", "(" * 5000 + ")" * 5000]
    wrong = []
    for pattern in patterns:
        errors = check(MINIMAL + "[challenge_answers]\n" + pattern + " = " + HIDDEN + "\nport = 1\n").errors
        if len(errors) != 1 or not errors[0].startswith("[challenge_answers] line 5: ") or HIDDEN in errors[0]:
            wrong.append((pattern[:20], errors))
    assert wrong == []


# Groups and attributes


def test_groups() -> None:
    settings, errors, warnings = check(
        MINIMAL
        + """
[gateway_groups]
attribute = filter-id, Class,26.12356.1 , Own
pattern = OU=([^;]+)
separator = ,
unmapped = Drop
required_groups = Admins, ops
[gateway_groups map]
Admin: s = SPS Admins
OU=Admins,DC=x = admins
OU=a=b
a = b = c
[radius_dictionary]
Own = 26.32473.1 string
"""
    )
    assert settings is not None and settings.groups is not None and errors == []
    assert warnings == [
        "[gateway_groups] required_groups: with unmapped=drop, no line of [gateway_groups map] makes any of these "
        "groups"
    ]
    assert settings.groups._replace(pattern=None) == GroupRules(
        attributes=((0, 11), (0, 25), (12356, 1), (32473, 1)),
        separator=",",
        mapping=(("Admin: s", "SPS Admins"), ("OU=Admins,DC=x", "admins"), ("OU=a", "b"), ("a", "b = c")),
        keep_unmapped=False,
        required_groups=("Admins", "ops"),
    )
    assert settings.groups.pattern is not None and settings.groups.pattern.pattern == "OU=([^;]+)"


def test_attributes_keep_their_order_and_white_space() -> None:
    settings = valid(
        MINIMAL + '[radius_attributes]\nNAS-Port = 22\ncisco-avpair=" a "\nCisco-AVPair=b=c\nNAS-Identifier=\n'
    )
    assert [(line.attribute.key, line.text) for line in settings.attributes] == [
        ((0, 5), "22"),
        ((9, 1), " a "),
        ((9, 1), "b=c"),
        ((0, 32), ""),
    ]


def test_a_question_mark_makes_an_attribute_optional() -> None:
    settings = valid(MINIMAL + "[radius_attributes]\nNAS-Port = 22\nCisco-AVPair? = a?\n26.9.2 ? = b\n")
    assert [(line.place, line.optional) for line in settings.attributes] == [
        ("line 5", False),
        ("line 6", True),
        ("line 7", True),
    ]
    wrong = [check(MINIMAL + f"[radius_attributes]\n{name} = x\n").errors for name in ("Class??", "?", "Class?x")]
    assert [len(each) for each in wrong] == [1, 1, 1]


NAS_ID, NAS_V4, NAS_V6 = "NAS-Identifier =\n", "NAS-IP-Address =\n", "NAS-IPv6-Address =\n"


def test_a_nas_without_any_name_is_an_error() -> None:
    for lines, names in (
        (NAS_ID + NAS_V4, ["NAS-IP-Address"]),
        (NAS_ID + NAS_V6, ["NAS-IPv6-Address"]),
        (NAS_ID + NAS_V4 + NAS_V6, ["NAS-IP-Address", "NAS-IPv6-Address"]),
    ):
        assert check(MINIMAL + "[radius_attributes]\n" + lines).errors == [
            f"[radius_attributes]: removes both NAS-Identifier and {name}; RFC 2865 section 4.1 requires one of them"
            for name in names
        ]
    for lines in (NAS_ID, NAS_V4 + NAS_V6, NAS_ID + NAS_V6 + "NAS-IP-Address = 192.0.2.1\n"):
        valid(MINIMAL + "[radius_attributes]\n" + lines)


def test_invalid_groups_and_attributes_are_one_error_each_and_not_quoted() -> None:
    wrong = []
    for lines, expected in (
        ("[radius_attributes]\nUser-Password=" + HIDDEN, "[radius_attributes] line 5: "),
        ("[radius_attributes]\nNAS-Port=" + HIDDEN, "[radius_attributes] line 5: "),
        ("[radius_attributes]\nNAS-Portt=1", "[radius_attributes] line 5: "),
        ("[radius_attributes]\n = 1", "[radius_attributes] line 5: expected `Name = value`"),
        ("[radius_attributes]\nNAS-Identifier={otp}", "[radius_attributes] line 5: "),
        ("[radius_attributes]\nNAS-Identifier={", "[radius_attributes] line 5: "),
        ("[radius_dictionary]\nOwn=string", "[radius_dictionary] line 5: "),
        ("[gateway_groups]\nattribute=Filter", "[gateway_groups] attribute: "),
        ("[gateway_groups]\nattribute=Class\npattern=[", "[gateway_groups] pattern: invalid regular expression"),
        ("[gateway_groups]\nseparator=,", "[gateway_groups] separator: requires [gateway_groups] attribute"),
        ("[gateway_groups]\nattribute=Class\n[gateway_groups map]\na=", "[gateway_groups map] line 7: expected"),
    ):
        settings, errors, _ = check(MINIMAL + lines + "\n")
        if settings is not None or len(errors) != 1 or not errors[0].startswith(expected) or HIDDEN in errors[0]:
            wrong.append((lines, errors))
    assert wrong == []


def test_cache_with_groups_is_a_warning() -> None:
    text = MINIMAL + "[gateway_groups]\nattribute=Class\n[authentication_cache]\nreuse_limit=1\n"
    assert check(text).warnings == [
        "[authentication_cache] reuse_limit: has no effect with [gateway_groups]: the cache does not keep groups"
    ]


# [lockout], [messages], [auth]


def test_lockout_counts_by_user_or_client_or_both() -> None:
    found = {
        scope: valid(MINIMAL + "[lockout]\nmax_failures=5\nduration=60\nscope=" + scope + "\n").lockout
        for scope in ("user", "client", "both")
    }
    assert found == {
        "user": LockoutRules(5, 600.0, 60.0, True, False),
        "client": LockoutRules(5, 600.0, 60.0, False, True),
        "both": LockoutRules(5, 600.0, 60.0, True, True),
    }


def test_messages_are_kept_where_they_differ_from_the_default() -> None:
    text = (
        MINIMAL + "[messages]\nrejected=Nein: {reason}\nretry=Authentication failed. {attempts} left.\nno-reply=Ä{{\n"
    )
    assert valid(text).messages == {"rejected": "Nein: {reason}", "no-reply": "Ä{{"}
