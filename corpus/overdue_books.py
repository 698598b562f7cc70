"""A pipeline and its test: the calendar and the mail server are replaced.

`reminders` writes to everyone whose book should be back by now. As it stands it asks the clock and talks to a mail
server, which it opens as a resource. `override` gives the same pipeline with other functions in these two places;
types are checked when it is made, before anything runs.
"""

from collections.abc import Iterator
from datetime import date
from email.message import EmailMessage
from smtplib import SMTP
from typing import Any, NamedTuple, Protocol

from headrace import Stream, pipeline, resource, step


class Loan(NamedTuple):
    book: str
    reader: str
    due: date


class MailServer(Protocol):
    def send_message(self, message: EmailMessage, /) -> object: ...


@step
def today() -> date:
    return date.today()


@step
def loans(table: str) -> Iterator[Loan]:
    for row in table.splitlines():
        book, reader, due = row.split(";")
        yield Loan(book, reader, date.fromisoformat(due))


def is_overdue(loan: Loan, day: date) -> bool:
    return loan.due < day


@step
def letter(loan: Loan, day: date) -> EmailMessage:
    message = EmailMessage()
    message["To"] = loan.reader
    message["Subject"] = f"{loan.book}: {(day - loan.due).days} days late"
    message.set_content("Please bring it back.")
    return message


@step
def send(message: EmailMessage, server: MailServer) -> str:
    server.send_message(message)
    return f"{message['To']}: {message['Subject']}"


@pipeline
def reminders(table: str, host: str) -> Stream[str]:
    day, server = today(), resource(SMTP, host)
    return loans(table).filter(is_overdue, day).map(letter, day).map(send, server)


# -- the test ----------------------------------------------------------------------------------------------


class Outbox:
    """A mail server that keeps what it is given, and takes no letters for nobody."""

    def __init__(self, host: str) -> None:
        self.sent: list[EmailMessage] = []

    def send_message(self, message: EmailMessage) -> None:
        if not message["To"]:
            raise ValueError("a letter for nobody")
        self.sent.append(message)


def first_of_march() -> date:
    return date(2024, 3, 1)


tested = reminders.override({today: first_of_march, SMTP: Outbox})

TABLE = "Emma;ann@example.org;2024-02-27\nDune;bob@example.org;2024-03-08\nUlysses;cai@example.org;2023-12-01"

RUNS: dict[str, tuple[Any, ...]] = {
    "two are late": (tested, TABLE, "mail.example.org"),
    "nobody is late": (tested, "Dune;bob@example.org;2024-03-08", "mail.example.org"),
    "a failure": (tested, "Dune;;2024-02-08", "mail.example.org"),
}

if __name__ == "__main__":
    for sent in tested.iter(TABLE, "mail.example.org"):
        print(sent)
