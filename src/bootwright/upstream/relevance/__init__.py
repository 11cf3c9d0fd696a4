"""Whether a commit touches what a question is about: code, devicetrees, configuration, patches, versions."""
