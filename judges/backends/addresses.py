"""Addresses of endpoints, the proxies before them, and why a connection did not come about."""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ..engine.attempt import is_unreachable
from ..errors import ConfigError, JudgeError, RefusedSettingsError, TransportError

_PATHS = ("/chat/completions", "/completions", "/responses", "/embeddings", "/models", "/chat")
"""Ends of addresses that are pasted whole."""


def checked_address(base_url: str) -> str:
    """Give an endpoint's address up to `/v1`.

    Raises:
        ConfigError: It is none. A password in it is not shown.
    """
    address = base_url.strip().rstrip("/")
    # neither is shown: both are where people put keys
    if "@" in address:
        raise ConfigError("base_url holds a user name or password; keys come from environment")
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname)
        # urlsplit drops line breaks in silence
        is_address = is_address and (parts.port or 1) > 0 and address.isprintable()
        is_address = is_address and " " not in address
    except ValueError:  # a port beyond 65535, half an IPv6 address
        raise ConfigError(f"base_url {address!r} is no address: {_EXAMPLE}") from None
    if is_address and (parts.query or parts.fragment):
        raise ConfigError(
            f"base_url {address.partition('?')[0].partition('#')[0]!r} contains a query; remove "
            "it: a key comes from the environment, Azure's version is "
            "api_version=, other fields go into headers or extra_body"
        )
    if not is_address:
        shown = address.partition("?")[0]
        bare = shown.partition("//")[2] or shown
        near = f"did you mean http://{bare}?" if "." in bare or ":" in bare else _EXAMPLE
        raise ConfigError(f"base_url {shown!r} is no address: {near}")
    for path in _PATHS:
        if address.endswith(path):
            return address.removesuffix(path).rstrip("/")
    return address


_EXAMPLE = "give one like http://127.0.0.1:8000/v1"


def proxy_of(address: str) -> tuple[str, str] | None:
    """Give the proxy that the environment names for an address: its variable, and itself."""
    parts = urlsplit(address)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    for name in (parts.scheme, "all"):
        if name in proxies:
            return f"{name.upper()}_PROXY", proxies[name]
    return None


def proxy_words(address: str) -> str:
    """Say which proxy an address is asked through, and how to go without."""
    found = proxy_of(address)
    host = urlsplit(address).hostname
    if found is None:
        return "is there a proxy in between?"
    variable, proxy = found
    shown = proxy.rpartition("@")[2]  # what is before it is a password
    if proxy.startswith("socks"):
        return (
            f"{variable} names the SOCKS proxy {shown}, which is not used: only http:// proxies "
            f"are; unset it, or run an HTTP proxy before it (NO_PROXY={host} bypasses it)"
        )
    if proxy.startswith("https"):
        return (
            f"{variable} names {shown}: only http:// proxies are used; NO_PROXY={host} goes without"
        )
    return f"requests go through the proxy {shown} of {variable}; NO_PROXY={host} bypasses it"


def usable_proxy(base_url: str) -> str | None:
    """Give the proxy of the environment to ask an address through; None for none.

    Raises:
        ConfigError: No request can go through it: it is a SOCKS proxy, or no address.
    """
    found = proxy_of(base_url)
    if found is None or found[0] == "ALL_PROXY":  # which the client does not look at
        return None
    variable, proxy = found
    try:
        parts = urlsplit(proxy)
        is_address = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if proxy.startswith("socks"):
        raise ConfigError(f"{base_url} cannot be asked: {proxy_words(base_url)}")
    if not is_address or parts.scheme not in {"http", "https"}:
        shown = proxy.rpartition("@")[2]
        raise ConfigError(
            f"{base_url} cannot be asked: {variable} is {shown!r}, which is not an address like "
            "http://HOST:PORT; correct or unset it"
        )
    return proxy


def explained(error: BaseException, base_url: str, *, is_local: bool) -> ConfigError | JudgeError:
    """Say why no reply came: a wrong setting where it is surely one, else a fault to try again.

    Args:
        error: What the client raised.
        base_url: What was asked.
        is_local: On this machine, where no proxy is used.
    """
    import aiohttp

    told = f"{base_url}: {in_short(error)}"
    found = None if is_local else proxy_of(base_url)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return TransportError(
            f"{base_url}: the proxy does not answer ({error.strerror or error}); "
            f"{proxy_words(base_url)}"
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        told = f"{base_url}: the proxy refuses (HTTP {error.status} {error.message})"
        kind = TransportError if error.status >= 500 else RefusedSettingsError
        return kind(f"{told}; {proxy_words(base_url)}")
    if (certificate := _certificate_fault(error)) is not None:
        return ConfigError(
            f"{base_url}: the certificate is not trusted ({certificate}); for one that is "
            "self-signed, set SSL_CERT_FILE=FILE.pem to the certificate of its signer"
        )
    if isinstance(error, ValueError):
        return ConfigError(f"{told}; {proxy_words(base_url) if found else 'check base_url'}")
    if "WRONG_VERSION_NUMBER" in told or "record layer failure" in told.lower():
        return ConfigError(f"{told}; does the server speak http:// and not https://?")
    if is_unreachable(error):
        told = f"{told}; is the judge's server up, is the address right?"
    if found is not None and not found[1].startswith("http://"):
        told = f"{told} {proxy_words(base_url)}"
    return TransportError(told)


def in_short(error: BaseException) -> str:
    """Say what a client raised; of a connection that failed, what the system said."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, ssl.SSLError):
        cause = error.os_error
        code = cause.errno or 0
        said = os.strerror(code) if code > 0 else cause.strerror
        return f"cannot connect ({said or cause})"
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(words.split())


def _certificate_fault(error: BaseException) -> str | None:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(getattr(error.certificate_error, "verify_message", error.certificate_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return None
