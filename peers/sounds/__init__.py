"""Announcements and greetings: uploaded, converted, delivered to the node as files."""
