"""A run whose pieces are made by several processes: on this machine, on several graphics cards, or on a cluster.

The engine is ``dask.distributed`` (extra ``cluster``), which is imported only when a run asks for it.
"""
