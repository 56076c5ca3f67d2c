"""Reading an image's config: one HTTPS GET with a size limit and a deadline, and without the URL in any message."""

from typing import Final

import urllib3

from .hard_limit import within

_CHUNK: Final = 65_536


class Urllib3Blobs:
    """urllib3 without its retries, whose log lines and errors would carry the URL: it is a credential.

    Args:
        any_scheme: whether plain http is accepted too, for an emulator.
    """

    def __init__(self, *, any_scheme: bool) -> None:
        self._pool = urllib3.PoolManager(num_pools=2, retries=False)
        self._any_scheme = any_scheme

    def get(self, url: str, *, most_bytes: int, seconds: float) -> bytes | None:
        """See `registry.Blobs.get`."""
        if not (self._any_scheme or url.startswith("https://")):
            raise OSError("its URL is not an https one")
        try:
            return within(seconds, lambda: self._get(url, most_bytes, seconds))
        except urllib3.exceptions.HTTPError as error:
            raise OSError(f"no connection to the bucket of ECR's layers ({type(error).__name__})") from None

    def _get(self, url: str, most_bytes: int, seconds: float) -> bytes | None:
        timeout = urllib3.Timeout(connect=min(1.5, seconds), total=seconds)
        answer = self._pool.request("GET", url, timeout=timeout, redirect=False, preload_content=False)
        try:
            if answer.status != 200:
                raise OSError(f"HTTP status {answer.status}")
            content = bytearray()
            # As it is, never unpacked: its digest is that of these bytes, and the limit is for them.
            for chunk in answer.stream(_CHUNK, decode_content=False):
                content += chunk
                if len(content) > most_bytes:
                    return None
            return bytes(content)
        finally:
            answer.close()
