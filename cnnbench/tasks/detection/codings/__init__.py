"""Codings of detectors as the task uses them: targets, losses, and boxes from outputs."""
