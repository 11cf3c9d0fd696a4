"""bootwright inside a browser: what the page's worker calls (docs/site.md).

A tab of the page has one JavaScript module, `site/tabs/NAME.js`, and one module here, `NAME.py`, with

    def answer(request: Mapping[str, Any], files: Sequence[Path], progress: Progress) -> dict[str, Any]

`request` is what the tab asked, plain JSON; `files` are what the user picked, readable as any file is (the
worker reads them by slices from disk), with paths relative to the current folder, in which nothing else lies;
what is returned is JSON too. What takes long is said by `progress`. A `BootwrightError` becomes the message
and hint that the page shows. Nothing here imports what only a browser has: the same functions run, and are
tested, on any Python. `run.run` is what the worker calls; it finds the module by its name.
"""
