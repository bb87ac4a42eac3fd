"""Whether the servers of weights answer: asked in threads, so that no page waits for them."""

from __future__ import annotations

import threading
import time
from urllib.parse import urlsplit

_TIMEOUT_S = 4.0
_KEPT_S = {True: 300.0, False: 30.0}


class Network:
    """What is known of hosts. Any answer counts, also a refusal: the way there is open."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bool | None, float]] = {}
        self._guard = threading.Lock()

    def answers(self, url: str) -> bool | None:
        """Whether the host of an address answers; None while it is asked, in the background."""
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        with self._guard:
            answer, since = self._known.get(host, (False, float("-inf")))
            if answer is None or time.monotonic() - since < _KEPT_S[answer]:
                return answer
            self._known[host] = (None, time.monotonic())
        threading.Thread(target=self._ask, args=(host,), daemon=True).start()
        return None

    def forget(self) -> None:
        """Ask again at the next look."""
        with self._guard:
            self._known = {h: known for h, known in self._known.items() if known[0] is None}

    def _ask(self, host: str) -> None:
        import requests

        try:
            requests.head(host, timeout=_TIMEOUT_S, allow_redirects=False).close()
            answer = True
        except requests.exceptions.SSLError:
            answer = True  # it is there; the download says what is wrong with its certificate
        except (requests.RequestException, ValueError):
            answer = False
        with self._guard:
            self._known[host] = (answer, time.monotonic())
