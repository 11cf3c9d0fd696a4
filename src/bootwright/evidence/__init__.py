"""A diagnosis held against the artifact that was booted and the board it ran on."""
