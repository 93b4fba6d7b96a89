"""What is past its retention goes, per tenant and signal; files go from the disk as well."""

import otlp
from trefoil import wait_until

DAY = 86_400 * 10**9


def test_retention_per_tenant_and_signal(start):
    server = start(
        {
            "tenancy": {"enabled": True},
            "storage": {
                "buffer": {"flush_interval": "1s"},
                "garbage": {"interval": "1s", "grace": "1s"},
                "retention": {"block_retention": "24h", "traces": "720h", "tenants": {"archive": {"logs": "720h"}}},
            },
        }
    )
    for tenant in ("shop", "archive"):
        for when in (otlp.now(), otlp.now() - 3 * DAY):
            otlp.send(server, "logs", otlp.logs(5, time_unix_nano=when), X_Scope_OrgID=tenant)
            otlp.send(
                server, "traces", otlp.spans(5, start_time_unix_nano=when, end_time_unix_nano=when), X_Scope_OrgID=tenant
            )
    wait_until(lambda: server.count("logs", tenant="shop") == 5, "old logs go")
    assert server.count("logs", tenant="archive") == 10, "this tenant keeps its logs for longer"
    assert server.count("spans", tenant="shop") == 10, "traces are kept for longer"
    wait_until(lambda: len(list(server.data_dir.rglob("*.parquet"))) == server.live_files()[0], "files are deleted")
