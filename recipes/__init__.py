"""Recipes that come with z1; ``z1 run demo`` finds them by name."""
