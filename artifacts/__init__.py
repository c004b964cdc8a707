"""What an export leaves: the manifest and the bundle."""
