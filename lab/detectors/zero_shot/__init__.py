"""Brands and places, classified by CLIP."""
