"""What a Raspberry Pi's firmware does between power and the kernel, done once, by its documentation.

`config_txt` and `filters` read config.txt; `files` says which kernel, initramfs, devicetree and overlays are
loaded; `declarations`, `parameters`, `overlays` and `overlay_map` are the devicetree language; `given_tree`
applies config.txt to a devicetree; `uart` finds the console; `stage` puts all of it together for a FAT
partition. What is known of a board comes in as `board.FirmwareBoard`.
"""
