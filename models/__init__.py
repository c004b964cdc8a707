"""Networks, their weights, and the view of them that is exported."""
