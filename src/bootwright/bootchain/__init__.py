"""What an image boots: from firmware and boot loader to kernel, initramfs, devicetree and arguments."""
