"""What holds for all tests here."""

import signal


def pytest_configure() -> None:
    """Programs that the tests interrupt can be, also where a shell runs the tests in the background, without SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
