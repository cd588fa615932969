"""Serve a site locally, and rebuild it when its history changes."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

POLL_SECONDS = 1.0
_RELOAD = "/_reload"
# Waits for the next build, then reloads. Only served pages contain it.
_SCRIPT = (
    "addEventListener('load',async()=>{for(;;){try{const r=await fetch('/_reload?now='+(window.bcBuild||''));"
    "const b=await r.text();if(window.bcBuild&&b!==window.bcBuild)location.reload();window.bcBuild=b;}"
    "catch{await new Promise(r=>setTimeout(r,2000));}}});"
)


class Server:
    """A site in a temporary folder behind a loopback port, rebuilt by ``build`` when a watched file changes."""

    def __init__(self, build: Callable[[Path], object], watched: Path, port: int) -> None:
        """Build once, so that errors appear before anything is served. Raises what ``build`` raises; OSError."""
        self._build = build
        self._watched = watched
        self._folder = Path(tempfile.mkdtemp(prefix="builder-contracts-site-"))
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.builds = 0
        try:
            self._stamp = self._look()
            self._rebuild()
            handler = functools.partial(_Handler, directory=str(self._folder / "site"))
            self._http = _Threaded(("127.0.0.1", port), handler)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._http.site = self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/"

    def run(self) -> None:
        """Serve until ``close`` or an interrupt."""
        self._watcher.start()
        self._http.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Stop serving and remove the temporary folder."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        self._http.server_close()
        # A running build would create the directory again.
        if self._watcher.is_alive():
            self._watcher.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def shutdown(self) -> None:
        """End ``run`` from another thread."""
        self._http.shutdown()

    def wait(self, build: str, seconds: float) -> int:
        """The number of the present build; waits a while for another one than ``build``."""
        with self._changed:
            if build == str(self.builds):
                self._changed.wait(seconds)
            return self.builds

    def _look(self) -> tuple[int, ...]:
        """A value that changes with the history; a journal next to the file belongs to an unfinished writer."""
        with suppress(OSError):
            seen = self._watched.stat()
            return seen.st_mtime_ns, seen.st_size, seen.st_ino
        return ()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            stamp = self._look()
            if stamp and stamp != self._stamp:
                self._stamp = stamp
                # A history that is being replaced can be unreadable for a moment; the old pages stay.
                with suppress(Exception):
                    self._rebuild()

    def _rebuild(self) -> None:
        self._build(self._folder / "site")
        with self._changed:
            self.builds += 1
            self._changed.notify_all()


class _Threaded(http.server.ThreadingHTTPServer):
    daemon_threads = True
    site: Server


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the site; pages with a script that reloads them."""

    def do_GET(self) -> None:
        if not self._local():
            self.send_error(403, "this server accepts only the hosts 127.0.0.1 and localhost")
            return
        path = urlsplit(self.path)
        if path.path == _RELOAD:
            server = self.server
            assert isinstance(server, _Threaded)
            self._say(str(server.site.wait(path.query.removeprefix("now="), 25)).encode(), "text/plain")
            return
        if path.path == "/_reload.js":
            self._say(_SCRIPT.encode(), "text/javascript")
            return
        file = Path(self.translate_path(self.path))
        if file.is_dir() and path.path.endswith("/"):
            file = file / "index.html"
        if file.suffix == ".html" and file.is_file():
            page = file.read_bytes().replace(b"</head>", b'<script src="/_reload.js"></script></head>', 1)
            self._say(page, "text/html; charset=utf-8")
            return
        super().do_GET()

    def _local(self) -> bool:
        """Otherwise a page of another site could read this one under a hostname that resolves to 127.0.0.1."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        return host in ("127.0.0.1", "localhost")

    def _say(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: every page is a dozen requests."""

    def list_directory(self, path: str | os.PathLike[str]) -> None:
        del path  # no folder of the site is for looking into
        self.send_error(404)
