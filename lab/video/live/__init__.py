"""Live video: connections in processes of their own, and the times of their frames."""
