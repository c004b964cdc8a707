"""What comes from outside: files of limited size, text of any encoding, bounded TOML, archives."""
