"""``ssh://USER@HOST``: files are made here, and measured on a device by its own Python.

`address` reads the address, `script` makes the one file that is sent, `there` is what it does on
the device, `connection` sends it through ``ssh`` and reads the answer, `executor` runs the jobs.
"""
