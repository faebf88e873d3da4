"""A sweep as a graph of stages: planned at once, each distinct stage made once, by whatever executor takes its nodes.

``planning`` turns the jobs of a multirun into cells, ``graph`` into nodes with parents and priorities, ``engine`` hands
ready nodes to an executor (``local`` has worker processes), ``record`` keeps what happened for
:mod:`stilts_xtreme.commands.status`.
"""
