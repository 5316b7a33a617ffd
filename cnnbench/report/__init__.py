"""How it is shown: the table, the page, the choice, the comparison, the budget."""
