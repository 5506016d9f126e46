"""For people who test their processes and clients: a service in memory, and a contract.

Needs neither Prefect nor a worker to run, and no server of any kind:

    from pygeoapi_prefect.testing import InMemoryStack, ProcessContract
"""

from pygeoapi_prefect.testing.contract import ProcessContract
from pygeoapi_prefect.testing.gateway import InMemoryGateway
from pygeoapi_prefect.testing.stack import InMemoryStack
from pygeoapi_prefect.testing.worker import InMemoryWorker

__all__ = ["InMemoryGateway", "InMemoryStack", "InMemoryWorker", "ProcessContract"]
