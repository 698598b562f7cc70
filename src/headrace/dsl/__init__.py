"""What the user writes: steps, streams and pipelines, recorded as a trace."""
