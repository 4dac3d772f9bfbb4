"""The RADIUS User-Name, pure: the user's name as the server wants it."""

from ..config.model import NameRules


def bare(name: str) -> str:
    r"""Return a name without domain and realm: `alice`, `DOMAIN\alice` and `alice@realm` may be one account."""
    return radius_name(NameRules(strip_realm=True, strip_domain=True), name)


def radius_name(rules: NameRules, name: str) -> str:
    r"""Return `alice` of `DOMAIN\alice@realm`, as far as the rules say so, with prefix and suffix.

    The realm (RFC 7542) begins at the last `@`, the domain ends at the first backslash. What would leave nothing of the
    name is not stripped.
    """
    if rules.strip_domain:
        name = name.partition("\\")[2] or name
    if rules.strip_realm:
        name = name.rpartition("@")[0] or name
    return rules.add_prefix + name + rules.add_suffix
