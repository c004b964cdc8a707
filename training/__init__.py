"""Training networks of the catalog's families on photos and masks, or on generated scenes."""
