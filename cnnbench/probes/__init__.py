"""How it is measured: a probe a file; each is given a network and gives back what it found."""
