"""The Python SDK: `Client` and `AsyncClient` send the calls that `calls` describes.

with Client(Account(url, customer, client_id, client_secret)) as client:
    job = client.send(calls.start(MigrateImage(...)))
    done = client.wait(job.id)
"""

from imageport.client import calls
from imageport.client.account import Account
from imageport.client.asynchronous import AsyncClient
from imageport.client.errors import JobFailed, ServiceUnreachable
from imageport.client.synchronous import Client

__all__ = ["Account", "AsyncClient", "Client", "JobFailed", "ServiceUnreachable", "calls"]
