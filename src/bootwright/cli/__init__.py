"""One module per command: arguments in, presentation out. A module here is a command by being here."""
