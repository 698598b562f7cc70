"""What a pipeline compiles to. Knows neither the language above it nor the engine that runs it."""
