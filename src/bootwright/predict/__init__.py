"""Facts and a board to verdicts, as chains of links."""
