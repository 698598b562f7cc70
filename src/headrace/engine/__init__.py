"""How a program runs. Knows no event loop, no thread and no clock: a driver brings them."""
