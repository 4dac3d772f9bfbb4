"""The hooks that SPS calls, and the SDK's lists of steps. Nothing is decided here.

The conversation is in `login`, RADIUS in `radius`, everything else of the SDK in `sdk`.
"""

import logging
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

from . import __version__, log_lines, reasons
from .authenticator import Authenticator
from .login import conversation
from .login.state import Identity
from .login.username import character_problem, name_problem
from .sdk import UNFINISHED, GuardedPlugin, Verdict, accept, locate, read_nas_identifier, rename_step
from .session import SessionRecord, opening_warnings
from .text import field, one_line

_log = logging.getLogger("SPS_RADIUS")


class Plugin(GuardedPlugin):
    """The AA plugin: SPS makes one for each hook call and calls one hook on it."""

    def authenticate(
        self,
        cookie: Optional[Dict[str, Any]] = None,
        session_cookie: Optional[Dict[str, Any]] = None,
        session_id: str = "",
        protocol: str = "",
        connection_name: str = "",
        client_ip: str = "",
        client_port: int = 0,
        client_hostname: Optional[str] = None,
        gateway_user: Optional[str] = None,
        gateway_domain: Optional[str] = None,
        server_username: Optional[str] = None,
        server_domain: Optional[str] = None,
        key_value_pairs: Optional[Dict[str, str]] = None,
    ) -> Verdict:
        """Called by SPS to identify the user: once, and again with each answer to a NEEDINFO."""
        self._take_cookies(cookie, session_cookie, in_login=True)
        return self._run_hook(
            super().authenticate,
            cookie=self.cookie,
            session_cookie=self.session_cookie,
            session_id=session_id,
            protocol=protocol or "",
            connection_name=connection_name,
            client_ip=client_ip or "",
            client_port=client_port,
            client_hostname=client_hostname,
            gateway_user=gateway_user,
            gateway_domain=gateway_domain,
            server_username=server_username,
            server_domain=server_domain,
            key_value_pairs=key_value_pairs or {},
        )

    def authorize(
        self,
        cookie: Optional[Dict[str, Any]] = None,
        session_cookie: Optional[Dict[str, Any]] = None,
        session_id: str = "",
        protocol: str = "",
        connection_name: str = "",
        client_ip: str = "",
        client_port: int = 0,
        client_hostname: Optional[str] = None,
        gateway_user: Optional[str] = None,
        gateway_domain: Optional[str] = None,
        gateway_groups: Any = None,
        server_ip: Optional[str] = None,
        server_port: Optional[int] = None,
        server_hostname: Optional[str] = None,
        server_username: Optional[str] = None,
        server_domain: Optional[str] = None,
        key_value_pairs: Optional[Dict[str, str]] = None,
    ) -> Verdict:
        """Called by SPS once the target server is known; the SDK's connection limit applies."""
        self._take_cookies(cookie, session_cookie)
        return self._run_hook(
            super().authorize,
            cookie=self.cookie,
            session_cookie=self.session_cookie,
            session_id=session_id,
            protocol=protocol or "",
            connection_name=connection_name,
            client_ip=client_ip or "",
            client_port=client_port,
            client_hostname=client_hostname,
            gateway_user=gateway_user,
            gateway_domain=gateway_domain,
            gateway_groups=gateway_groups,
            server_ip=server_ip,
            server_port=server_port,
            server_hostname=server_hostname,
            server_username=server_username,
            server_domain=server_domain,
            key_value_pairs=key_value_pairs or {},
        )

    def session_ended(
        self,
        session_id: str = "",
        cookie: Optional[Dict[str, Any]] = None,
        session_cookie: Optional[Dict[str, Any]] = None,
    ) -> None:
        """Called by SPS once at the end; the cookies are empty if an earlier hook was killed."""
        self._take_cookies(cookie, session_cookie)
        try:
            super().session_ended(session_id=session_id, cookie=self.cookie, session_cookie=self.session_cookie)
        except Exception as error:
            log_lines.INTERNAL_ERROR.log(_log, error=locate(error))

    def _authentication_steps(self) -> Iterator[Callable[[], Verdict]]:
        """Yield the steps of the SDK, with ours in place of those that identify the user and ask for the password.

        The names of the steps contain the round: if the user is asked for the name again, all of them must run again.
        """
        name_round = self._record.login.name_round if self._record else 0
        for step in (
            self._identify,
            self._check_user_list_whitelist,
            self._check_ldap_group_whitelist,
            self._check_authentication_cache,
            self._map_username_explicit,
            self._map_username_ldap,
            self._transform_username,
            self._check_radius_name,
            self._log_authenticate_calculated_mfa_identity,
            self.do_authenticate,
        ):
            yield rename_step(f"{step.__name__}:{name_round}", step)

    def _authorization_steps(self) -> Iterator[Callable[[], Verdict]]:
        yield self._check_name
        yield from super()._authorization_steps()

    def _identify(self) -> Verdict:
        """Find out who the user is."""
        assert self._settings is not None
        if self._record is None:
            self._record = self._begin_session()
        login, result = conversation.identify(self._settings, self._record.login, self._hook_call())
        self._record = self._record._replace(login=login)
        if not isinstance(result, Identity):
            return self._to_verdict(result)
        self.username = result.name
        self.mfa_identity = result.override or result.name
        user, typed = field(result.name), field(result.override or result.ignored)
        if result.override:
            log_lines.OVERRIDDEN.log(_log, user=user, name=typed)
        elif result.ignored:
            is_authenticated = bool(self.connection.gateway_user)
            cause = log_lines.OVERRIDE_OFF if is_authenticated else log_lines.OVERRIDE_UNAUTHENTICATED
            log_lines.NAME_IGNORED.log(_log, name=typed, user=user, cause=cause.text)
        return None

    def _check_radius_name(self) -> Verdict:
        """Refuse a mapped name that must not be logged: a directory may contain anything."""
        problem = character_problem(self.mfa_identity)
        return self._denied(reasons.BAD_USERNAME, problem) if problem else None

    def _check_name(self) -> Verdict:
        """Check the name again: the connection limit uses it as a file name."""
        problem = name_problem(self.username or "")
        return self._denied(reasons.BAD_USERNAME, problem) if problem else None

    def do_authenticate(self) -> Verdict:
        """Run the conversation until it has to ask the user or ends."""
        assert self._settings is not None and self._record is not None  # ensured by _run_hook and _identify
        authenticator = Authenticator(self._settings, self._session(), read_nas_identifier(), self._state_directories())
        self._record, action = authenticator.run(self._record, self._hook_call())
        return self._to_verdict(action)

    def do_authorize(self) -> Verdict:
        """Accept, without metadata of its own: that of `authenticate` stands."""
        if self._settings is not None and self._settings.accounting:
            self._account(self._account_start)
        return accept()

    def do_session_ended(self) -> None:
        """Account for the session, and log its end."""
        record = self._record
        self._end_login(UNFINISHED)
        if record is None:
            return
        if record.accounting:
            self._account(self._account_stop)
        seconds = int(max(0, time.time() - record.started))
        log_lines.ENDED.log(_log, user=field(self.cookie.get("username") or ""), seconds=seconds)

    def _begin_session(self) -> SessionRecord:
        assert self._settings is not None
        log_lines.STARTED.log(_log, version=__version__)
        for warning in opening_warnings(self._settings, self._problems):
            _log.warning(warning)
        if not self.connection.gateway_user and self._relies_on_names:
            log_lines.USER_NOT_AUTHENTICATED.log(_log)
        return self._new_record()

    def _account(self, step: Callable[[], List[str]]) -> None:
        """Account for the session; a failure does not end the session."""
        try:
            for warning in step():
                _log.warning(one_line(warning))
        except Exception as error:
            log_lines.ACCOUNTING_FAILED.log(_log, error=locate(error))

    def _account_start(self) -> List[str]:
        from . import accounting  # imports pyrad

        assert self._settings is not None
        record = self._record or self._new_record()
        user, identifier = record.accepted_user, read_nas_identifier()
        begun, warnings = accounting.begin(self._settings, self._session(), user, identifier)
        self._record = record._replace(accounting=begun)
        return warnings + accounting.account(accounting.START, begun, self._settings, self._state_directories())

    def _account_stop(self) -> List[str]:
        from . import accounting

        assert self._record is not None and self._record.accounting is not None
        begun = self._record.accounting
        return accounting.account(accounting.STOP, begun, self._settings, self._state_directories())
