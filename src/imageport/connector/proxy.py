"""The proxy on a connector's way to its service: the one that is named, else the environment's."""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass

import httpx

from imageport.client.account import tls
from imageport.connector.errors import ProxyInvalid, ProxyPassword
from imageport.model.credentials import UsernamePassword

_SCHEMES = ("http", "https")


def proxy_to(
    service: str, named: str | None, account: UsernamePassword | None = None
) -> httpx.Proxy | None:
    """The proxy to ask the service at that URL through; None for none.

    A name counts for itself: `NO_PROXY` is about the environment's own. The environment's may come
    with an account, ours may not: that is `account`. Raises ProxyInvalid, ProxyPassword.
    """
    if named is not None and _parsed(named).userinfo:
        raise ProxyPassword
    url = named or _of_environment(httpx.URL(service))
    if not url:
        if account:
            raise ProxyInvalid(url="of the environment", detail="there is none for the service")
        return None
    parsed = _parsed(url)
    auth = (account.username, account.password) if account else None
    # Whoever is trusted to vouch for the service need not be who vouches for the proxy.
    secure = tls(None) if parsed.scheme == "https" else None
    return httpx.Proxy(parsed, auth=auth, ssl_context=secure)


def _of_environment(service: httpx.URL) -> str | None:
    if proxy_bypass(f"{service.host}:{service.port}" if service.port else service.host):
        return None
    known = getproxies()
    return known.get(service.scheme) or known.get("all")


def _parsed(url: str) -> httpx.URL:
    """Raises ProxyInvalid, which says no password."""
    try:
        parsed = httpx.URL(url if "://" in url else f"http://{url}")
    except httpx.InvalidURL as error:
        raise ProxyInvalid(url="", detail="it is no URL") from error
    if parsed.scheme not in _SCHEMES or not parsed.host:
        shown = f"{parsed.scheme}://{parsed.host}"
        raise ProxyInvalid(url=shown, detail="it is no http:// or https:// URL with a host")
    return parsed
