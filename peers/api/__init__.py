"""Trunks, numbers, peers and tokens over the API."""
