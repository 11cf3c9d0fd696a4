"""Where a history turned: the commit, or the release, since which a goal is reached or missed."""
