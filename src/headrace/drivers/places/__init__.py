"""A run in several places, of which each runs one section of the DAG: where one machine is not enough.

The way of an item: a step of a section gives it, the section's outlet keeps the bound (engine/links.py), an answer
carries it (messages.py, parcels.py) over a wire to the hub of the section that reads it (section_hub.py).

far.py is the caller's side of the whole run and place.py the other one. ray.py and ray_workers.py bring both to a Ray
cluster, and are the only ones that know it. What a section needs of home: limits (keeper.py), the store and observers
(asking.py). What home makes of what sections tell: a deadlock (locked.py), and the report (report.py).
"""
