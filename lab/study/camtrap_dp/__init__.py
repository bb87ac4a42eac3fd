"""Camtrap DP 1.0.2: a study as the package of tables that camera-trap programs exchange."""
