"""The applications over HTTP: an API, rembg's API, and a page; what `maskport serve` runs."""
