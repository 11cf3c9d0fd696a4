"""From an artifact to its tree of facts: what it is, what it holds, and what that holds in turn."""
