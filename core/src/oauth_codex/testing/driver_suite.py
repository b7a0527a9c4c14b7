"""The whole suite for a driver."""

from __future__ import annotations

from .suites.attaching import AttachingTests
from .suites.bad_input import BadInputTests
from .suites.bad_searches import BadSearchTests
from .suites.batches import BatchTests
from .suites.congruence import CongruenceTests
from .suites.contents import ContentTests
from .suites.durability import DurabilityTests
from .suites.faults import FaultTests
from .suites.files import FileExpiryTests, FileTests
from .suites.filters import FilterTests
from .suites.lists import ListTests
from .suites.machine import MachineTests
from .suites.namespaces import NamespaceTests
from .suites.parts import EmbedderTests, PartTests
from .suites.processes import ProcessTests
from .suites.recall import BadVectorTests, RecallTests, ZeroVectorTests
from .suites.search import SearchTests
from .suites.stores import StoreExpiryTests, StoreTests
from .suites.surface import SurfaceTests


class DriverSuite(
    FileTests,
    FileExpiryTests,
    StoreTests,
    StoreExpiryTests,
    AttachingTests,
    ContentTests,
    BatchTests,
    ListTests,
    FilterTests,
    SearchTests,
    RecallTests,
    EmbedderTests,
    BadVectorTests,
    ZeroVectorTests,
    PartTests,
    BadInputTests,
    BadSearchTests,
    NamespaceTests,
    SurfaceTests,
    CongruenceTests,
    MachineTests,
    DurabilityTests,
    FaultTests,
    ProcessTests,
):
    """Hundreds of tests through the public client, sync and async. Define the fixture `case`, and nothing else."""
