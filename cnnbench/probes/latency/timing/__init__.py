"""How a callable is timed: the loop, its reference, and what the machine did meanwhile."""
