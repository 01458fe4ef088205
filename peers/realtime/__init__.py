"""What Asterisk is told: facts to rows (pure), rows to the realtime database, and the AMI.

Nothing in this package imports Django: the same code serves the panel, the lab and a remote node.
"""
