"""Reports and cover letters for upstream, written from what a run has seen. Nothing here sends anything."""
