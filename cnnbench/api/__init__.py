"""Python API behind the command line: `run.run` and `predict.predict`.

``cnnbench.run`` and ``cnnbench.predict`` are loaded from here at first use; `cnnbench.analysis`,
`cnnbench.results` and `cnnbench.selection` have the other public functions.
"""
