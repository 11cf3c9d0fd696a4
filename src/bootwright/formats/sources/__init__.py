"""Where bytes come from: files, byte ranges, decompressed streams, web servers, all read the same way."""
