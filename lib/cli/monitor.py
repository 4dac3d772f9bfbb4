"""`servers --monitor`: the results as one line and exit status of a plugin for Nagios, Icinga, and other monitors.

As the Monitoring Plugins Development Guidelines define: `SERVICE STATUS - text | label=value;warn;crit;min;max`.
"""

import contextlib
import io
from typing import TYPE_CHECKING, Callable, Dict, Iterable, List

from .. import reasons
from ..namedtuple import NamedTuple
from ..text import counted, one_line, system_words
from .console import Console
from .exit_status import CommandError

if TYPE_CHECKING:
    from .servers import ProbeResult

OPTION = "--monitor"
OK, WARNING, CRITICAL, UNKNOWN = range(4)
CERTIFICATE_DAYS = 30
"""A certificate that expires in fewer days is a WARNING: time to renew it."""

_NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_MAX_TEXT = 800  # characters; NRPE cuts the line at 1024 octets
# The texts of these go on with advice after a colon.
_WITH_ADVICE = (reasons.NO_REPLY, reasons.CONNECTION_REFUSED, reasons.NO_MESSAGE_AUTHENTICATOR, reasons.REJECTED)


class Status(NamedTuple):
    """The state, which is the exit status, its text, and the performance data."""

    state: int
    text: str
    data: str = ""

    def __str__(self) -> str:
        # The first bar begins the performance data.
        text = one_line(self.text, _MAX_TEXT).replace("|", "/")
        return f"RADIUS {_NAMES[self.state]} - {text}" + (f" | {self.data}" if self.data else "")


def run(probe: Callable[[], Status]) -> int:
    """Print the status as one line, whatever happens, and return the exit status."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):  # Icinga shows stderr, too
        try:
            found = probe()
        except CommandError as error:
            found = Status(UNKNOWN, str(error).replace(":\n", ": ").replace("\n", "; "))
        except KeyboardInterrupt:
            found = Status(UNKNOWN, "interrupted")
        except SystemExit as ended:
            if not ended.code:  # --help
                raise
            # argparse prints the usage and the error; a signal prints nothing.
            found = Status(UNKNOWN, errors.getvalue().partition(": error: ")[2] or "terminated")
            errors = io.StringIO()
        except OSError as error:
            found = Status(UNKNOWN, system_words(error))
        except Exception as error:  # a traceback would exit with 1, which is WARNING; its text may hold anything
            found = Status(UNKNOWN, f"internal error: {type(error).__name__}")
    more = one_line(errors.getvalue())
    Console().say(str(found._replace(text=f"{found.text}; {more}" if more else found.text)))
    return found.state


def status(results: "Iterable[ProbeResult]", timeout: float) -> Status:
    """Return the status for the results of a probe that waited `timeout` seconds for each address."""
    results = list(results)
    # A login, if there was one, decides about an address: it is what the plugin needs.
    last = {(result.section, result.address): result for result in results}.values()
    usable = [result for result in last if _is_usable(result)]
    problems = [f"[{each.section}] {each.address or each.server}: {_brief(each)}" for each in results if not each.ok]
    state = WARNING if problems else OK
    if not [result for result in usable if not result.is_for_accounting]:
        state = CRITICAL
    expiring = _soonest(usable)
    for section, result in expiring.items():
        days = result.certificate_days or 0
        if days < CERTIFICATE_DAYS:
            left = counted(days, "day", "days")
            problems.append(f"[{section}] certificate expires in {left}, on {result.certificate_until}")
            state = max(state, WARNING)
    summary = f"{len(usable)} of {counted(len(last), 'address', 'addresses')} usable"
    return Status(state, "; ".join([summary] + problems), _performance_data(usable, expiring, timeout))


def _is_usable(result: "ProbeResult") -> bool:
    # Only a login shows whether replies to logins are unsigned, too.
    return result.ok or result.code == reasons.NO_MESSAGE_AUTHENTICATOR and not result.is_login


def _brief(result: "ProbeResult") -> str:
    return result.text.partition(": ")[0] if result.code in _WITH_ADVICE else result.text


def _soonest(results: "Iterable[ProbeResult]") -> "Dict[str, ProbeResult]":
    """Return for each server the result with the certificate that expires first, if it has any."""
    found: "Dict[str, ProbeResult]" = {}
    for result in sorted(results, key=lambda each: each.certificate_days or 0):
        if result.certificate_days is not None:
            found.setdefault(result.section, result)
    return found


def _performance_data(usable: "Iterable[ProbeResult]", expiring: "Dict[str, ProbeResult]", timeout: float) -> str:
    """Return the seconds that the first usable address of each server took, and the days of its certificate."""
    seconds: Dict[str, float] = {}
    for result in usable:
        seconds.setdefault(result.section, result.seconds or 0.0)
    data: List[str] = [f"{section}={taken:.6f}s;;;0;{timeout:g}" for section, taken in seconds.items()]
    data += [
        f"{section}-certificate-days={result.certificate_days};{CERTIFICATE_DAYS}:"
        for section, result in expiring.items()
    ]
    return " ".join(data)
