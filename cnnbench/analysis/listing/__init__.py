"""List the operations of a network: from its layers (`walk`), or from a traced graph (`trace`).

`network.operations` chooses. `trace` records layer calls (`calls`) while TensorFlow builds the
graph; `lower` interprets the graph: `functions` enters called functions, `control` handles loops
and conditions, and `loops` proves iteration counts.
"""
