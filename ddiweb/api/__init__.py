"""What every resource of the REST API shares: authentication, permissions, errors, pages."""
