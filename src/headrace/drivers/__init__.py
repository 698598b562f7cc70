"""Who waits: a driver gives the engine fibers, threads and a way to wait. It holds no policy."""
