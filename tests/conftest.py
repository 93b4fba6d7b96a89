import pytest

from trefoil import Server


@pytest.fixture
def start(tmp_path):
    """`start(config)` starts a server in the test's own directory; all of them end with the test."""
    servers = []

    def start(config=None, name="server", wait=True, **options):
        server = Server(tmp_path / name, config, **options)
        servers.append(server)
        return server.start(wait)

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server(start):
    return start()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One server for the tests of a module that only add to it."""
    server = Server(tmp_path_factory.mktemp("shared")).start()
    yield server
    server.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its servers' logs."""
    report = (yield).get_result()
    if report.failed and "tmp_path" in item.funcargs:
        for log in item.funcargs["tmp_path"].rglob("server.log"):
            report.sections.append((str(log), log.read_text(errors="replace")[-4000:]))
