"""One module per command: arguments in, presentation out. A module here is a command by being here."""

import gc

_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""What a short command loads lives until it ends: looking through it for cycles took an eighth of `check`.

Set here, before the first of it is imported. Programs that use `bootwright.api` keep their own setting.
"""

gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
