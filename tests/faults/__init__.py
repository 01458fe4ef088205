"""Seeded faults in the firewall: a list of them, and a runner that shows that the suite notices."""
