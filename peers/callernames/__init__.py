"""Names of callers from an outside service, asked for by the watch (docs/adr/0220)."""
