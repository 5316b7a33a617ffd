"""Results of runs: the journal, and the tables made from it."""
