"""arm64 machine code: instructions followed, calls found, modules linked."""
