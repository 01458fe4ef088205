"""Countries of the telephone network as data: prefixes, premium ranges, emergency numbers."""
