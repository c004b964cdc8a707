"""What SDKs have in common: what must be installed, loading what a table names, their errors."""
