"""What was found: the journal, its statistics, and the tables that follow from it."""
