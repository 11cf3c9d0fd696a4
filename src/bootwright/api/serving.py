"""The page in the browser, from this machine to itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def serve(folder: str | Path | None = None, *, port: int = 8000, on_ready: Callable[[str], object]) -> None:
    """Serve the page that `make site` made, on 127.0.0.1 only, until Ctrl-C.

    `folder` is what `make site` wrote; without it, that of the source tree. `port` 0 is any that is free.
    `on_ready` is given the address once the page can be loaded.

    Raises `Missing` where there is no page, and `Refused` where the port is taken.

        serve("out/site", on_ready=print)
    """
    from bootwright.foundation.errors import Missing
    from bootwright.foundation.places import source_tree
    from bootwright.serving.folder import Server

    if folder is None:
        root = source_tree()
        if root is None:
            raise Missing("this installation carries no page", hint="give the folder that `make site` wrote")
        folder = root / "out" / "site"
    with Server(Path(folder), port) as server:
        on_ready(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
