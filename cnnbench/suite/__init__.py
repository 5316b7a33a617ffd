"""Suites: read a YAML file (`yaml_source`), check it (`suite`), expand it into jobs (`plan`)."""
