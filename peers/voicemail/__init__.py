"""Voicemail: mailboxes, the recordings that Asterisk keeps, and the mail that they are sent by."""
