"""Other machines: where work is to be done, and what a cluster is asked for."""
