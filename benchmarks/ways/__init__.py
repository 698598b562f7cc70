"""One module for each contender of the tasks in tasks.py: how they are done by hand, with headrace, with a peer.

Each has CONTENDERS: by task, the ways to do it, or the reason why the library cannot. Of `by_hand`, the first way is
the baseline.
"""
