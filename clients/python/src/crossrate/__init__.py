"""Client of a crossrate server: `crossrate run --listen` or `crossrate serve`.

Times are milliseconds since the epoch, texts as ISO 8601 has them, or aware datetimes. Exact decimals come as
`decimal.Decimal`, digit by digit as the server wrote them.
"""

from .client import Client
from .errors import CrossrateError, ProblemError, UnreachableError
from .stream import Message
from .tables import Outcome, Row, Table, Windows

__all__ = [
    "Client",
    "CrossrateError",
    "Message",
    "Outcome",
    "ProblemError",
    "Row",
    "Table",
    "UnreachableError",
    "Windows",
]
