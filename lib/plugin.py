"""The SPS edge: hook arguments in, verdicts out. What to do is decided in `login`; RADIUS is spoken in `radius`.

No exception leaves a hook: SPS would end the session without telling the user why.
"""

import functools
import logging
import time
import traceback
from typing import Any, Callable, Dict, Iterator, Optional, Set

from safeguard.sessions.plugin import (
    DEFAULT_PLUGIN_CONTEXT,
    AAPlugin,
    AAResponse,
    CredentialStore,
    PluginConfiguration,
    RequiredConfigurationSettingNotFound,
)
from safeguard.sessions.plugin.exceptions import PluginSDKRuntimeError, PluginSDKValueError

from . import __version__, reasons
from .authenticator import Backend, Session, count, metadata, new_record, opening_remarks
from .config.build import build
from .config.ini import Problem, parse_ini
from .config.options import PLACEHOLDERS
from .config.reader import NO_STORE, ConfigurationError
from .config.sdk_sections import sdk_text
from .login import conversation
from .text import field, name_problem, one_line, radius_name_problem

_log = logging.getLogger("SPS_RADIUS")
_NICKNAME_FILE = "/etc/hostnickname"

Verdict = Any  # a dictionary or None, for and from the SDK, which has no types


class Plugin(AAPlugin):  # type: ignore[misc]
    """The AA plugin: SPS makes one for each hook call and calls one hook on it."""

    def __init__(self, configuration: str = "") -> None:
        """Take the configuration as the admin wrote it; what is wrong with it is logged and denies every session."""
        ini = parse_ini(configuration or "")
        refused = ""
        try:
            super().__init__(sdk_text(ini))
        except Exception as error:
            refused = "the SDK cannot use this configuration: " + type(error).__name__
            super().__init__("")
        try:
            self._settings, self._problems = build(ini, self._credential, _trusted_ca)
        except Exception as error:
            refused = "it cannot be read: " + _place(error)
            self._settings, self._problems = None, ()
        if refused:
            self._settings, self._problems = None, self._problems + (Problem(True, "", "", refused),)
        self._messages = self._settings.messages if self._settings else {}
        self._directories: Dict[str, Optional[str]] = {}
        self._said: Set[str] = set()
        for problem in self._problems if self._settings is None else ():
            _log.error("Configuration %s: %s", "error" if problem.error else "warning", problem)

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
        self.cookie, self.session_cookie = _as_dict(cookie), _as_dict(session_cookie)
        return self._verdict_of(
            functools.partial(
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
        self.cookie, self.session_cookie = _as_dict(cookie), _as_dict(session_cookie)
        return self._verdict_of(
            functools.partial(
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
        )

    def session_ended(
        self,
        session_id: str = "",
        cookie: Optional[Dict[str, Any]] = None,
        session_cookie: Optional[Dict[str, Any]] = None,
    ) -> None:
        """Called by SPS once at the end; the cookies are empty if an earlier hook was killed."""
        try:
            super().session_ended(
                session_id=session_id, cookie=_as_dict(cookie), session_cookie=_as_dict(session_cookie)
            )
        except Exception as error:
            _log.error("session_ended: %s", _place(error))

    def set_https_proxy(self) -> None:
        """Do nothing: RADIUS needs no proxy, and the SDK would log its password at level debug."""

    def do_authenticate(self) -> Verdict:
        """Hold the conversation until it needs the user or is over."""
        assert self._settings is not None  # _verdict_of has seen to it
        backend = self._backend()
        state, action = backend.converse(self._load(), self._known())
        self._save(state)
        if self._settings.accounting and backend.accepted:
            from . import accounting

            self.cookie["accounted"] = accounting.kept(backend.accepted)
        return self._response(action)

    def do_authorize(self) -> Verdict:
        """Accept, without metadata of its own: that of `authenticate` stands."""
        if self._settings is not None and self._settings.accounting:
            self._guarded("accounting", self._account_start)
        return AAResponse(verdict="ACCEPT")

    def do_session_ended(self) -> None:
        """Account for the session, and log one line for it."""
        if "accounting" in self.cookie:
            self._guarded("accounting", self._account_stop)
        session = self.cookie.get("radius_session")
        if session is None:
            _log.info("Session ended before the user was known")
            return
        _log.info(
            "Session ended: user=%s client=%s server=%s rounds=%s attempts=%s duration=%d s",
            field(self.cookie.get("username") or "unknown"),
            field(session["client_ip"] or "unknown"),
            session["server"] or "none",
            session["rounds"],
            session["attempts"],
            max(0, time.time() - session["started"]),
        )

    def _authentication_steps(self) -> Iterator[Callable[[], Verdict]]:
        """Give the SDK's steps in their order, with ours in place of those that name the user and ask him.

        The SDK does not run a step twice that has the name it had. When the user is asked for his name again, all of
        them must: so the name has the round in it.
        """
        name_round = self._load().name_round
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
            yield _named("{}:{}".format(step.__name__, name_round), step)

    def _identify(self) -> Verdict:
        assert self._settings is not None
        if "radius_session" not in self.cookie:
            self._begin_session()
        state, result = conversation.identify(self._settings, self._load(), self._known())
        self._save(state)
        if not isinstance(result, conversation.Identity):
            return self._response(result)
        self.username = result.name
        self.mfa_identity = result.override or result.name
        if result.override:
            _log.info(
                "User %s asked for RADIUS User-Name %s: allow_override=yes", field(result.name), field(result.override)
            )
        if result.ignored:
            _log.warning(
                "Ignored the user name %s typed by user %s: he is known already, and [username] allow_override is no",
                field(result.ignored),
                field(result.name),
            )
        return None

    def _check_radius_name(self) -> Verdict:
        """Refuse what mapping made of the name if it must not be sent or logged: a directory may hold anything."""
        problem = radius_name_problem(self.mfa_identity)
        return self._denied("bad-username", problem) if problem else None

    def _extract_username(self) -> Optional[str]:
        """Say what the SDK asks for only where `_identify` has not said who the user is."""
        return self.connection.gateway_user or None

    def _authorization_steps(self) -> Iterator[Callable[[], Verdict]]:
        yield self._check_name
        yield from super()._authorization_steps()

    def _check_name(self) -> Verdict:
        """Look at the name again: the connection limit makes a file name of it."""
        problem = name_problem(self.username or "")
        return self._denied("bad-username", problem) if problem else None

    def _is_proved_name(self) -> bool:
        """Whether whitelists and cache may go by the name: not by one that the user just typed at our prompt."""
        return not self._load().typed_name

    def _check_user_list_whitelist(self) -> Verdict:
        return super()._check_user_list_whitelist() if self._is_proved_name() else None

    def _check_ldap_group_whitelist(self) -> Verdict:
        return super()._check_ldap_group_whitelist() if self._is_proved_name() else None

    def _check_authentication_cache(self) -> Verdict:
        if not self._is_proved_name() or (self._settings and self._settings.groups):  # it keeps no groups
            return None
        try:
            verdict = super()._check_authentication_cache()
        except Exception as error:
            _log.warning("The authentication cache cannot be used: %s", _place(error))
            return None
        return verdict

    def _refresh_authentication_cache(self) -> None:
        # Only a RADIUS login is worth caching: neither a whitelist's nor, as SDK 1.6 does, one from the cache itself,
        # by which reuse_limit and hard_timeout would never bite.
        if not self.cookie.get("radius_accepted"):
            return
        try:
            super()._refresh_authentication_cache()
        except Exception as error:
            _log.warning("The authentication cache cannot be used: %s", _place(error))

    def _check_and_increase_client_connection_count(self) -> Verdict:
        try:
            verdict = super()._check_and_increase_client_connection_count()
        except Exception as error:
            _log.error("The connection limit cannot be checked: %s", _place(error))
            return self._denied("connection-limit", "it cannot be checked")
        return self._denied("connection-limit") if verdict else None

    def _ask_questions(self) -> Verdict:
        verdict = super()._ask_questions()
        if verdict and not self._known().can_ask:
            return self._denied("cannot-ask")
        return verdict

    def _decrease_client_connection_count(self) -> None:
        try:
            super()._decrease_client_connection_count()
        except Exception as error:
            _log.warning("The connection limit cannot be counted down: %s", _place(error))

    def _verdict_of(self, hook: Callable[[], Verdict]) -> Verdict:
        try:
            if self._settings is not None:
                return hook()
            return self._add_cookies(self._denied("bad-configuration"))
        except (PluginSDKRuntimeError, PluginSDKValueError) as error:
            _log.error("Configuration error: %s: %s", type(error).__name__, one_line(str(error)))
            return self._add_cookies(self._denied("bad-configuration"))
        except Exception as error:
            _log.error("Internal error: %s", _place(error))
            return self._add_cookies(self._denied("internal-error"))

    def _begin_session(self) -> None:
        assert self._settings is not None
        _log.info("SPS_RADIUS %s", __version__)
        self.cookie["radius_session"] = new_record(self.connection.client_ip, time.time())
        for remark in opening_remarks(self._settings, self._problems):
            _log.warning("%s", remark)
        if not self.connection.gateway_user and self._trusts_names():
            _log.warning(
                "SPS has not authenticated the user, and a whitelist or the cache goes by the name: use gateway "
                "authentication before this plugin"
            )

    def _trusts_names(self) -> bool:
        sections = ("whitelist source=user_list", "whitelist source=ldap_server_group", "authentication_cache")
        return any(self.plugin_configuration.get_options(section) for section in sections)

    def _load(self) -> conversation.State:
        return conversation.State.from_cookie(self.cookie.get("radius", {}))

    def _save(self, state: conversation.State) -> None:
        self.cookie["radius"] = state.to_cookie()

    def _known(self) -> conversation.Known:
        assert self._settings is not None
        # The SDK drops `@domain` of RDP user names from 1.8 on.
        without_suffix = getattr(self, "remove_upn_suffix", lambda name: name)
        pairs = {key: value for key, value in self.connection.key_value_pairs.items() if isinstance(value, str)}
        if "username" in pairs:
            pairs["username"] = without_suffix(pairs["username"])
        return conversation.Known(
            gateway_user=self.connection.gateway_user,
            server_username=without_suffix(self.connection.server_username),
            pairs=pairs,
            can_ask=self.connection.protocol.lower() in self._settings.auth.interactive_protocols,
        )

    def _backend(self) -> Backend:
        """Return the servers as this hook's session sees them."""
        assert self._settings is not None
        known = {name: getattr(self.connection, name, None) for name in PLACEHOLDERS if name != "username"}
        return Backend(
            self._settings,
            Session(self.cookie.get("username") or "", self.cookie.get("mfa_identity") or "", **known),
            self.cookie["radius_session"],
            _nas_identifier(),
            self._state_directory,
            _log,
        )

    def _account_start(self) -> None:
        from . import accounting

        backend = self._backend()
        self.cookie["accounting"] = accounting.session(
            session_id=self.connection.session_id,
            started=time.time(),
            user_name=backend.radius_name(),
            accepted=self.cookie.get("accounted") or {},
            attributes=backend.accounting_attributes() + accounting.target(self.connection),
        )
        self._account("Start")

    def _account_stop(self) -> None:
        self._account("Stop")

    def _account(self, kind: str) -> None:
        """Keep what happened, and send all that waits; SPS goes on whatever comes of it.

        A session that has begun has an end, even if the configuration does not hold any more.
        """
        from . import accounting
        from .state.accounting_queue import Records

        records = Records(self._state_directory("persistent"), self._complain)
        records.add(accounting.record(kind, self.cookie["accounting"], time.time()))
        if self._settings is not None and self._settings.accounting:
            accounting.deliver(self._settings.accounting, records, self._backend().health(), self._complain)

    def _guarded(self, what: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            _log.error("RADIUS: %s failed: %s", what, _place(error))

    def _complain(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            _log.warning("RADIUS: %s", one_line(text))

    def _state_directory(self, which: str) -> Optional[str]:
        """Return the path of the plugin's directory that is `persistent`, or `ephemeral`; None if it has none."""
        if which not in self._directories:
            self._directories[which] = None
            try:
                self._directories[which] = str(getattr(DEFAULT_PLUGIN_CONTEXT, which + "_plugin_state_directory"))
            except Exception as error:
                self._complain("nothing is remembered between hooks: {}".format(_place(error)))
        return self._directories[which]

    def _response(self, action: conversation.Action) -> Verdict:
        """Turn what the conversation wants into a verdict."""
        count(self.cookie["radius_session"], self._load(), action)
        if isinstance(action, conversation.Ask):
            return AAResponse.need_info(action.prompt, action.key, action.disable_echo)
        if isinstance(action, conversation.Deny):
            return self._denied(action.code, action.detail, minutes=str(action.minutes))
        assert isinstance(action, conversation.Accept)
        if action.bypassed:
            _log.warning("User %s is let on without RADIUS: [auth] bypass_when_unreachable", field(self.username))
            return AAResponse(verdict="ACCEPT", additional_metadata=self._metadata(bypass="unreachable"))
        self.cookie["radius_accepted"] = True
        response = AAResponse(verdict="ACCEPT", additional_metadata=self._metadata())
        return response if action.groups is None else response.with_gateway_user(self.username, action.groups)

    def _denied(self, code: str, detail: str = "", **values: str) -> Verdict:
        reason = reasons.format_reason(self._messages, code, detail, **values)
        user = self.cookie.get("username") or "unknown"
        _log.warning("Denied user %s: %s", field(str(user)), reason)
        return AAResponse(verdict="DENY", reason=reason, additional_metadata=self._metadata(code=code, reason=reason))

    def _metadata(self, **more: str) -> str:
        """Return the session's metadata as JSON."""
        record = self.cookie.get("radius_session")
        known = record if isinstance(record, dict) else None
        return metadata(known, self.cookie.get("username"), self.cookie.get("mfa_identity"), **more)

    def _credential(self, section: str, option: str) -> Optional[str]:
        """Look a `$` up in the Credential Store: host is the section, user the option."""
        try:
            store = CredentialStore.from_config(self.plugin_configuration)
            if option == "client_certificate":
                certificates = store.get_certificates(section, option)
                return next(("{cert}\n{key}\n".format(**found) for found in certificates), None)
            return next(iter(store.get_passwords(section, option)), None)
        except RequiredConfigurationSettingNotFound:
            raise ConfigurationError(NO_STORE) from None
        except Exception as error:
            raise ConfigurationError("the Credential Store failed: " + type(error).__name__) from None


def _trusted_ca(name: str) -> Optional[str]:
    """Return the certificates of a trusted CA list of SPS, or None if there is no such list."""
    try:
        lookup = PluginConfiguration("[radius]\nca_certificate = $[{}]\n".format(name.replace("%", "%%")))
        return "\n".join(lookup.get_ca_certificate("radius", "ca_certificate")["certs"])
    except PluginSDKValueError:
        return None
    except Exception as error:
        raise ConfigurationError("the trusted CA lists failed: " + type(error).__name__) from None


def _as_dict(cookie: object) -> Dict[str, Any]:
    return cookie if isinstance(cookie, dict) else {}


def _named(name: str, step: Callable[[], Verdict]) -> Callable[[], Verdict]:
    named = functools.partial(step)
    named.__name__ = name  # type: ignore[attr-defined]
    return named


def _nas_identifier() -> str:
    """Return SPS's own name for itself, or `sps`."""
    try:
        with open(_NICKNAME_FILE, encoding="utf-8") as file:
            return one_line(file.read(), 60) or "sps"
    except (OSError, UnicodeError):
        return "sps"


def _place(error: BaseException) -> str:
    """Return an exception's kind and where it came from, without its text: that may hold what the user typed."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = ("{}:{} {}".format(frame.filename.rpartition("/")[2], frame.lineno, frame.name) for frame in frames)
    return "{} at {}".format(type(error).__name__, " < ".join(reversed(list(places))))
