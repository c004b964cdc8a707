"""What SDKs have in common: what must be installed, loaders and readers, their errors."""
