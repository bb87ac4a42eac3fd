"""A worker that other machines send pictures to: `lab worker --port 8001`."""
