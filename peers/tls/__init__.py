"""TLS for phones: the panel's own certificate authority and each node's certificate."""
