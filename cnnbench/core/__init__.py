"""The words that every other room uses: suites, plans, settings, metrics, records, errors."""
