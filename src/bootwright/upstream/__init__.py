"""Which changes of upstream repositories touch an open question, and reports to upstream."""
