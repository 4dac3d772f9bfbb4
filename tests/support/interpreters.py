"""Interpreters that run hooks with fewer descriptors, threads or digests than usual, or with another clock."""

import pathlib
import shlex
import sys

from simulator.gateway import Session

FIPS = """
import hashlib, sys, types
try:
    import _hashlib
except ImportError:  # a Python without OpenSSL
    _hashlib = types.SimpleNamespace()

def refusing(real, name_of):
    def function(*arguments, **named):
        permitted = sys.version_info >= (3, 9) and named.get("usedforsecurity") is False
        if name_of(arguments, named) == "md5" and not permitted:
            if sys.version_info < (3, 9) and "usedforsecurity" in named:
                raise TypeError("an unexpected keyword argument")
            raise ValueError("[digital envelope routines: EVP_DigestInit_ex] disabled for FIPS")
        return real(*arguments, **named)
    return function

hashlib.md5 = _hashlib.openssl_md5 = refusing(hashlib.md5, lambda arguments, named: "md5")
hashlib.new = _hashlib.new = refusing(hashlib.new, lambda arguments, named: arguments[0].lower())
if hasattr(_hashlib, "hmac_new"):
    def digest_of(arguments, named):
        return "md5" if "md5" in str(named.get("digestmod", arguments[-1])) else ""
    _hashlib.hmac_new = refusing(_hashlib.hmac_new, digest_of)
"""
"""A sitecustomize: MD5 as with OpenSSL in FIPS mode."""

NO_MD5 = FIPS.replace('named.get("usedforsecurity") is False', "False")
"""A sitecustomize: no MD5, whatever its flag."""

NO_PYOPENSSL = """
import builtins
real = builtins.__import__

def load(name, globals=None, *arguments, **named):
    if name == "OpenSSL" and str((globals or {}).get("__name__")).endswith(".eap.openssl"):
        raise ImportError(name)
    return real(name, globals, *arguments, **named)

builtins.__import__ = load
"""
"""A sitecustomize: the plugin cannot import pyOpenSSL; the SDK can, since it needs it."""

MANY_ADDRESSES = """
import socket
real = socket.getaddrinfo

def getaddrinfo(host, port, *arguments, **named):
    if host != "many.example":
        return real(host, port, *arguments, **named)
    return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.9.{}.{}".format(*divmod(number, 256)), port))
            for number in range(20000)]

socket.getaddrinfo = getaddrinfo
"""
"""A sitecustomize: the name many.example has 20,000 addresses."""

TWO_ADDRESSES = """
import socket
real = socket.getaddrinfo

def getaddrinfo(host, port, *arguments, **named):
    if host != "two.example":
        return real(host, port, *arguments, **named)
    return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (address, port)) for address in ("127.0.0.2", "127.0.0.3")]

socket.getaddrinfo = getaddrinfo
"""
"""A sitecustomize: the name two.example has the addresses 127.0.0.2 and 127.0.0.3."""

REFUSAL_NOTICED = """
import socket
real = socket.socket

class Socket(real):
    def recv(self, *arguments):
        try:
            return super().recv(*arguments)
        except ConnectionRefusedError:
            open({!r}, "w").close()
            raise

socket.socket = Socket
"""
"""A sitecustomize with the path of a file: it is made when a datagram is refused."""

ONE_DESCRIPTOR = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""
"""A sitecustomize: one descriptor is free. Before it, the module site needs two at a time."""

AN_HOUR_LATER = """
import time
real = time.time
time.time = lambda: real() + 3600
"""
"""A sitecustomize: the clock is an hour ahead."""

NO_THREADS = """
import _thread, threading

def refuse(*arguments, **named):
    raise RuntimeError("can't start new thread")

_thread.start_new_thread = _thread.start_joinable_thread = refuse
threading._start_new_thread = threading._start_joinable_thread = refuse
"""
"""A sitecustomize: a system that starts no more threads."""


def interpreter(directory: pathlib.Path, shell: str = "", sitecustomize: str = "") -> str:
    """Make a Python in a directory that runs shell commands and imports a sitecustomize before it starts."""
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(sitecustomize, encoding="utf-8")
    path = directory / "python"
    run = f'PYTHONPATH={shlex.quote(str(directory))} exec {shlex.quote(sys.executable)} "$@"'
    path.write_text("\n".join(["#!/bin/bash", shell, run]) + "\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)


def under(session: Session, python: str) -> Session:
    """Run the next hooks of a session with another interpreter, and return the session."""
    session.plugin = session.plugin._replace(python=python)
    return session
