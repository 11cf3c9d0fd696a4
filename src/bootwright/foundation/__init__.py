"""What every layer may use: errors, verdicts, versions, files that appear atomically, external tools."""
