"""Brands and places, told apart by CLIP."""
