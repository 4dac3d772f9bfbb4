"""The interface to the SDK: configuration, cookies, verdicts, and guards around the SDK's own steps.

No exception leaves a hook: SPS would end the session without telling the user why.
"""

import contextlib
import errno
import functools
import json
import logging
import os
import stat
import time
import traceback
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from safeguard.sessions.plugin import (
    DEFAULT_PLUGIN_CONTEXT,
    AAPlugin,
    AAResponse,
    CredentialStore,
    PluginConfiguration,
    RequiredConfigurationSettingNotFound,
)
from safeguard.sessions.plugin.authentication_cache import AuthenticationCache
from safeguard.sessions.plugin.exceptions import PluginSDKRuntimeError, PluginSDKValueError

from . import log_lines, reasons
from .config.build import build
from .config.ini import Problem, parse_ini
from .config.reader import ConfigurationError
from .config.sdk_sections import relies_on_names, sdk_text
from .login.state import Accept, Action, Ask, Deny, HookCall
from .login.username import account_name
from .session import Session, SessionRecord, format_metadata, login_facts
from .state.directory import StateDirectories
from .text import field, file_name, one_line

_NICKNAME_FILE = "/etc/hostnickname"
_PRIVATE = "__plugin_sdk_private"  # what the SDK keeps in the cookie
_CHECKPOINTS = ("authenticate", "post_successful_authenticate", "authorization", "session_ended")

ACCEPTED, DENIED, UNFINISHED = "accepted", "denied", "unfinished"
_VERDICTS = {"ACCEPT": ACCEPTED, "DENY": DENIED}
_LOGIN_LINES = {
    ACCEPTED: log_lines.LOGIN_ACCEPTED,
    DENIED: log_lines.LOGIN_DENIED,
    UNFINISHED: log_lines.LOGIN_UNFINISHED,
}

Verdict = Any  # a dictionary or None, for and from the SDK, which has no types

_log = logging.getLogger("SPS_RADIUS")


class GuardedPlugin(AAPlugin):  # type: ignore[misc]
    """The SDK's plugin with our configuration and record, and with steps that deny rather than fail."""

    def __init__(self, configuration: str = "") -> None:
        """Take the configuration as the admin wrote it; its errors deny every session."""
        ini = parse_ini(configuration or "")
        self._relies_on_names = relies_on_names(ini)
        refused = ""
        try:
            super().__init__(sdk_text(ini))
        except Exception as error:
            refused = "the SDK cannot use this configuration: " + type(error).__name__
            super().__init__("")
        try:
            self._settings, self._problems = build(ini, self._credential, _trusted_ca)
        except Exception as error:
            refused = "it cannot be read: " + locate(error)
            self._settings, self._problems = None, ()
        if refused:
            self._settings, self._problems = None, self._problems + (Problem(True, "", "", refused),)
        self._record: Optional[SessionRecord] = None
        self._in_login = False
        self._arguments: Dict[str, Any] = {}
        self._denial = ("", "")  # code and reason

    def set_https_proxy(self) -> None:
        """Do nothing: RADIUS needs no proxy, and the SDK would log its password at level debug."""

    # Hooks: cookies and verdicts

    def _take_cookies(self, cookie: object, session_cookie: object, in_login: bool = False) -> None:
        """Decode the cookies, once per hook. Discard an invalid cookie; a login without a record starts over."""
        self.cookie: Dict[str, Any] = cookie if isinstance(cookie, dict) else {}
        self.session_cookie: Dict[str, Any] = session_cookie if isinstance(session_cookie, dict) else {}
        if not isinstance(self.session_cookie.get("questions", {}), dict):
            del self.session_cookie["questions"]
        self._in_login = in_login
        found = bool(self.cookie)
        try:
            self._record = SessionRecord.from_cookie(self.cookie)
        except ValueError:
            self._record = None
        if not _is_valid(self.cookie, in_login) or in_login and self._record is None:
            self.cookie, self._record = {}, None
        if found and self._record is None:
            log_lines.COOKIE_DISCARDED.log(_log)

    def _add_cookies(self, verdict: Verdict) -> Verdict:
        """Log the end of the login, if this is it, and encode the record; once per hook."""
        kind = verdict["verdict"] if isinstance(verdict, dict) else ""
        if kind == "DENY" or kind == "ACCEPT" and not self._in_login:
            self._end_login(_VERDICTS[kind])
        if self._record is not None:
            self.cookie.update(self._record.to_cookie())
        return super()._add_cookies(verdict)

    def _new_record(self) -> SessionRecord:
        """Return the record of a session that begins."""
        client_ip, protocol, connection_name = (
            str(self._arguments.get(name) or "") for name in ("client_ip", "protocol", "connection_name")
        )
        return SessionRecord(time.time(), client_ip, protocol=protocol, connection_name=connection_name)

    def _end_login(self, verdict: str) -> None:
        """Log the line for the login, unless it was logged."""
        record = self._record or self._new_record()
        self._record = record._replace(login_ended=True)
        if not record.login_ended:
            _LOGIN_LINES[verdict].log(_log, **login_facts(record, self.cookie.get("username"), verdict, *self._denial))

    def _run_hook(self, hook: Callable[..., Verdict], **arguments: Any) -> Verdict:
        """Return the hook's verdict, or a DENY if anything is raised; log the errors of the configuration, and deny."""
        self._arguments = arguments
        try:
            if self._settings is not None:
                return hook(**arguments)
            for problem in self._problems:
                line = log_lines.CONFIGURATION_ERROR if problem.error else log_lines.CONFIGURATION_WARNING
                line.log(_log, cause=problem)
            return self._add_cookies(self._denied(reasons.BAD_CONFIGURATION))
        except (PluginSDKRuntimeError, PluginSDKValueError) as error:
            log_lines.CONFIGURATION_ERROR.log(_log, cause=f"{type(error).__name__}: {one_line(str(error))}")
            return self._add_cookies(self._denied(reasons.BAD_CONFIGURATION))
        except Exception as error:
            log_lines.INTERNAL_ERROR.log(_log, error=locate(error))
            return self._add_cookies(self._denied(reasons.INTERNAL_ERROR))

    def _hook_call(self) -> HookCall:
        """Return the arguments of SPS in the form that the conversation needs."""
        pairs = {key: value for key, value in self.connection.key_value_pairs.items() if isinstance(value, str)}
        if "username" in pairs:
            pairs["username"] = self._without_upn_suffix(pairs["username"]) or ""
        assert self._settings is not None
        return HookCall.of(
            self.connection.protocol,
            self._settings.auth.interactive_protocols,
            self.connection.gateway_user,
            self._without_upn_suffix(self.connection.server_username),
            pairs,
        )

    def _session(self) -> Session:
        """Return what is known about the session."""
        known = {name: getattr(self.connection, name, None) for name in Session._fields[2:]}
        return Session.of(self.cookie.get("username") or "", self.cookie.get("mfa_identity") or "", known)

    def _to_verdict(self, action: Action) -> Verdict:
        """Turn an action of the conversation into a verdict."""
        if isinstance(action, Ask):
            return AAResponse.need_info(action.prompt, action.key, action.disable_echo)
        if isinstance(action, Deny):
            return self._denied(action.code, action.detail, minutes=str(action.minutes))
        assert isinstance(action, Accept)
        response = accept(self._metadata())
        return response if action.groups is None else response.with_gateway_user(self.username, action.groups)

    def _denied(self, code: str, detail: str = "", **values: str) -> Verdict:
        messages = self._settings.messages if self._settings else {}
        reason = reasons.format_reason(messages, code, detail, **values)
        self._denial = code, reason
        return AAResponse(verdict="DENY", reason=reason, additional_metadata=self._metadata(code=code, reason=reason))

    def _metadata(self, **more: str) -> str:
        return format_metadata(self._record, self.cookie.get("username"), self.cookie.get("mfa_identity"), **more)

    # The SDK's steps

    def _extract_username(self) -> Optional[str]:
        """Return the user name for the SDK, which calls this only if no step of ours has set one."""
        return self.connection.gateway_user or None

    def _has_typed_name(self) -> bool:
        """Whether the user typed the name at our prompt: whitelists and cache must not rely on it."""
        return self._record is not None and bool(self._record.login.typed_name)

    def _check_user_list_whitelist(self) -> Verdict:
        return None if self._has_typed_name() or self._is_excepted() else super()._check_user_list_whitelist()

    def _is_excepted(self) -> bool:
        """Whether a User List policy that allows all users makes an exception of this one, in any spelling of the name.

        The SDK compares names exactly, so that `CORP\\alice` would be none of the exceptions if `alice` is one.
        """
        whitelist = self._user_whitelist
        if whitelist is None or getattr(whitelist, "_default", None) == "no_user":
            return False
        exceptions = getattr(whitelist, "_users", None)
        account = account_name(self.username)
        if exceptions is None or any(account_name(name) == account for name in exceptions):
            log_lines.WHITELIST_EXCEPTION.log(_log, user=field(self.username))
            return True
        return False

    def _check_ldap_group_whitelist(self) -> Verdict:
        return None if self._has_typed_name() else super()._check_ldap_group_whitelist()

    def _check_authentication_cache(self) -> Verdict:
        if self._has_typed_name() or (self._settings and self._settings.groups):  # it keeps no groups
            return None
        try:
            return None if self._is_cached_in_future() else super()._check_authentication_cache()
        except Exception as error:
            log_lines.CACHE_UNAVAILABLE.log(_log, error=locate(error))
            return None

    def _is_cached_in_future(self) -> bool:
        """Whether the cached login is from the future: the clock was set back, and the SDK would go on to use it."""
        path = getattr(self._authentication_cache, "cache_file_path", None)
        if path is None or not os.path.exists(path):
            return False
        with open(path, encoding="utf-8") as file:
            entry = json.load(file)
        now = time.time()
        if entry["last_authenticated"] <= now and entry["last_used"] <= now:
            return False
        log_lines.CACHE_FROM_FUTURE.log(_log, user=field(self.username))
        return True

    def _transform_username(self) -> None:
        if "@" not in self.mfa_identity:  # as SDK 1.8 and later do; earlier ones append a second domain
            super()._transform_username()

    def _refresh_authentication_cache(self) -> None:
        # Cache only RADIUS logins: not those of a whitelist, and not those from the cache itself. SDK 1.6 caches the
        # latter again, so that reuse_limit and hard_timeout never take effect.
        if self._record is None or not self._record.accepted:
            return
        try:
            super()._refresh_authentication_cache()
        except Exception as error:
            log_lines.CACHE_UNAVAILABLE.log(_log, error=locate(error))

    @property
    def _authentication_cache(self) -> Any:
        name = file_name(self.username)
        cache = AuthenticationCache.from_config(self.plugin_configuration, self.connection.client_ip, name)
        _check_file(getattr(cache, "cache_file_path", None))
        return cache

    def _create_client_connection_limiter(self, keys: Sequence[str]) -> Any:
        limiter = super()._create_client_connection_limiter([file_name(key) for key in keys])
        _check_file(getattr(limiter, "state_file_path", None))
        return limiter

    def _check_and_increase_client_connection_count(self) -> Verdict:
        try:
            verdict = super()._check_and_increase_client_connection_count()
        except Exception as error:
            log_lines.LIMIT_NOT_CHECKED.log(_log, error=locate(error))
            return self._denied(reasons.CONNECTION_LIMIT)
        return self._denied(reasons.CONNECTION_LIMIT) if verdict else None

    def _decrease_client_connection_count(self) -> None:
        try:
            super()._decrease_client_connection_count()
        except Exception as error:
            log_lines.LIMIT_NOT_COUNTED_DOWN.log(_log, error=locate(error))

    def _ask_questions(self) -> Verdict:
        verdict = super()._ask_questions()
        return self._denied(reasons.CANNOT_ASK) if verdict and not self._hook_call().can_ask else verdict

    def _without_upn_suffix(self, name: Optional[str]) -> Optional[str]:
        """Return a name without the `@domain` that the SDK drops from RDP user names, from 1.8 on."""
        shortened: Optional[str] = getattr(self, "remove_upn_suffix", lambda name: name)(name)
        return shortened

    # What SPS has

    def _state_directories(self) -> StateDirectories:
        """Return the state directories, created if necessary; warn at the first hook call, not at each answer."""
        paths: Dict[str, Optional[str]] = {}
        asked = self._record is not None and self._record.login.question_count
        for which in StateDirectories._fields:
            try:
                paths[which] = str(getattr(DEFAULT_PLUGIN_CONTEXT, which + "_plugin_state_directory"))
            except Exception as error:
                if not asked:
                    log_lines.STATE_DIRECTORY_UNAVAILABLE.log(_log, error=locate(error))
        return StateDirectories(**paths)

    def _credential(self, section: str, option: str) -> Optional[str]:
        """Look a `$` up in the Credential Store: host is the section, user the option."""
        try:
            store = CredentialStore.from_config(self.plugin_configuration)
            if option == "client_certificate":
                certificates = store.get_certificates(section, option)
                return next(("{cert}\n{key}\n".format(**found) for found in certificates), None)
            passwords = list(store.get_passwords(section, option))
            return "\n".join(passwords) if section == "recovery_codes" else next(iter(passwords), None)
        except RequiredConfigurationSettingNotFound:
            raise ConfigurationError(log_lines.NO_STORE.text) from None
        except Exception as error:
            raise ConfigurationError(log_lines.STORE_FAILED.format(error=type(error).__name__)) from None


def accept(metadata: Optional[str] = None) -> Verdict:
    """Return an ACCEPT; without metadata, that of an earlier hook stands."""
    return AAResponse(verdict="ACCEPT").with_additional_metadata(metadata)


def read_nas_identifier() -> str:
    """Return the nickname of SPS, or `sps`."""
    try:
        with open(_NICKNAME_FILE, encoding="utf-8") as file:
            return one_line(file.read(), 60) or "sps"
    except (OSError, UnicodeError):
        return "sps"


def rename_step(name: str, step: Callable[[], Verdict]) -> Callable[[], Verdict]:
    """Return a step under another name: the SDK does not run a step again under the same name."""
    renamed = functools.partial(step)
    renamed.__name__ = name  # type: ignore[attr-defined]
    return renamed


def locate(error: BaseException) -> str:
    """Return the type and the place of an exception, without its text, which may contain user input."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = (f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{type(error).__name__} at {' < '.join(reversed(list(places)))}"


def _check_file(path: Optional[str]) -> None:
    """Raise OSError if a file of the SDK, or its lock, is not a file.

    The SDK would wait for a pipe forever, and follow a link.
    """
    for each in (path, path + ".lock") if path else ():
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG(os.lstat(each).st_mode):
                raise OSError(errno.EINVAL, "it is not a file")


def _trusted_ca(name: str) -> Optional[str]:
    """Return the certificates of a trusted CA list of SPS, or None if there is no such list."""
    try:
        lookup = PluginConfiguration(f"[radius]\nca_certificate = $[{name.replace('%', '%%')}]\n")
        return "\n".join(lookup.get_ca_certificate("radius", "ca_certificate")["certs"])
    except PluginSDKValueError:
        return None
    except Exception as error:
        raise ConfigurationError("the trusted CA lists failed: " + type(error).__name__) from None


def _is_valid(cookie: Mapping[str, Any], in_login: bool) -> bool:
    """Whether the data of the SDK in the cookie has the types that the SDK expects."""
    private = cookie.get(_PRIVATE, {})
    if not isinstance(private, dict):
        return False
    names = [cookie.get("username"), cookie.get("mfa_identity")]
    kept = [private.get(f"{hook}_checkpoints", {}) for hook in _CHECKPOINTS] + [private.get("saved_verdict", {})]
    return (
        all(isinstance(name, (str, type(None))) for name in names)
        and all(isinstance(each, dict) for each in kept)
        and isinstance(private.get("question_sequence_number", 0), int)
        and not (in_login and private.get("successful_authentication") and "saved_verdict" not in private)
    )
