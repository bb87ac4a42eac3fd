"""The app's own routes, on the same port as the pages."""
