"""Many boards: places of a coordinator, reserved by their tags."""
