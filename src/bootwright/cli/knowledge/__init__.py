"""What bootwright knows, as files: those in use, and whether each is right.

Files of your own are read from $XDG_CONFIG_HOME/bootwright/KIND/ and ./.bootwright/KIND/, and replace those
of the same name; docs/knowledge.md tells how.

\b
Examples:
  bootwright knowledge list
  bootwright knowledge list boards --json
  bootwright knowledge check
"""
