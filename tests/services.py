"""The servers that Trefoil leans on in a cluster: PostgreSQL and an S3 store, each able to go away and come back."""

import datetime
import hashlib
import hmac
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests

from trefoil import free_ports, wait_until


class Postgres:
    """A cluster of its own in a temporary directory. PostgreSQL refuses to run as root; then it runs as `postgres`."""

    def __init__(self):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
        assert found, "PostgreSQL is not installed; run `make check-deps`"
        self.bin = found[-1].parent
        self.directory = tempfile.mkdtemp(prefix="trefoil-postgres-")
        self.user = None
        if os.geteuid() == 0:
            self.user = "postgres"
            shutil.chown(self.directory, self.user)
        (self.port,) = free_ports(1)
        self._run("initdb", "-D", f"{self.directory}/db", "-U", "trefoil", "--auth=trust", "--no-sync", "-E", "UTF8")
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "trefoil", "trefoil")

    @property
    def url(self):
        return f"postgres://trefoil@127.0.0.1:{self.port}/trefoil"

    def _run(self, name, *arguments):
        done = subprocess.run(
            [str(self.bin / name), *arguments], capture_output=True, text=True, cwd="/", timeout=60, **self._as_user()
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"

    def _as_user(self):
        if not self.user:
            return {}
        entry = pwd.getpwnam(self.user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.directory} -c fsync=off"
        log = f"{self.directory}/log"
        # Started through a file: pg_ctl's child would keep a pipe open.
        self._run("pg_ctl", "-D", f"{self.directory}/db", "-l", log, "-w", "-o", options, "start")

    def stop(self):
        self._run("pg_ctl", "-D", f"{self.directory}/db", "-m", "immediate", "-w", "stop")

    def close(self):
        if (Path(self.directory) / "db" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class SeaweedFs:
    """An S3 store with one bucket. Its data outlives `kill`."""

    BUCKET = "telemetry"
    KEY, SECRET = "trefoil", "trefoil-secret"

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True)
        names = ["master", "volume", "filer", "s3"]
        ports = free_ports(2 * len(names))
        self.ports = dict(zip([*names, *(f"{name}.grpc" for name in names)], ports))
        identity = {
            "name": "trefoil",
            "credentials": [{"accessKey": self.KEY, "secretKey": self.SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self.directory / "s3.json").write_text(json.dumps({"identities": [identity]}))
        self.process = None
        self.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def url(self):
        return f"s3://{self.BUCKET}/trefoil"

    @property
    def options(self):
        """For `storage.object_store`."""
        return {
            "aws_endpoint": self.endpoint,
            "aws_region": "us-east-1",
            "aws_access_key_id": self.KEY,
            "aws_secret_access_key": self.SECRET,
            "allow_http": "true",
        }

    def start(self):
        weed = shutil.which("weed") or str(Path(sys.executable).parent / "weed")
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        flags = [f"-{name}.port={self.ports[name]}" for name in ("master", "volume", "filer", "s3")]
        flags += [f"-{name}.port.grpc={self.ports[f'{name}.grpc']}" for name in ("master", "volume", "filer", "s3")]
        with open(self.directory / "weed.log", "ab") as log:
            self.process = subprocess.Popen(
                [weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-filer", "-s3",
                 f"-s3.config={self.directory / 's3.json'}", "-volume.max=50", "-master.volumeSizeLimitMB=64",
                 "-master.telemetry=false", "-master.electionTimeout=1s", *flags],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        wait_until(self._serves, f"SeaweedFS serves S3; see {self.directory}/weed.log", 90, 0.3)

    def _serves(self):
        """Whether a bucket can be made (or is there) and an object written and read."""
        assert self.process.poll() is None, (self.directory / "weed.log").read_text(errors="replace")[-3000:]
        try:
            bucket = self._request("PUT", f"/{self.BUCKET}")
            written = self._request("PUT", f"/{self.BUCKET}/probe", b"probe")
            return bucket.status_code in (200, 409) and written.status_code == 200
        except requests.RequestException:
            return False

    def _request(self, method, path, body=b""):
        return requests.request(
            method, self.endpoint + path, data=body, auth=SignatureV4(self.KEY, self.SECRET), timeout=10
        )

    def objects(self, prefix):
        """Key → bytes, of at most a thousand objects below `prefix` of the bucket."""
        listing = self._request("GET", f"/{self.BUCKET}?list-type=2&max-keys=1000&prefix={quote(prefix, safe='')}").text
        keys, sizes = (re.findall(f"<{tag}>(.*?)</{tag}>", listing) for tag in ("Key", "Size"))
        return dict(zip(keys, map(int, sizes), strict=True))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        self.process = None

    def close(self):
        if self.process is not None:
            self.kill()


class SignatureV4(requests.auth.AuthBase):
    """AWS's request signature, as much of it as a PUT of a short body needs."""

    def __init__(self, key, secret, region="us-east-1"):
        self.key, self.secret, self.region = key, secret, region

    def __call__(self, request):
        url = urlsplit(request.url)
        when = datetime.datetime.now(datetime.timezone.utc)
        stamp, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
        digest = hashlib.sha256(request.body or b"").hexdigest()
        headers = {"host": url.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
        signed = ";".join(headers)
        lines = [request.method, url.path, url.query, *(f"{name}:{value}" for name, value in headers.items()), "", signed,
                 digest]
        scope = f"{day}/{self.region}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        request.headers.update(headers)
        request.headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
        return request
