"""How a callable is timed: the loop, the reference beside it, and what the machine did meanwhile."""
