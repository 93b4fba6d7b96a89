"""Records what real programs expose, so that the same samples can be written to several servers.

    python benches/recording.py DIRECTORY --every 5 --seconds 3600 node=http://127.0.0.1:9100/metrics …

A recording is a folder for each target, in it a file for each scrape: `<target>/<milliseconds since 1970>.txt.gz`, the text as it
came. `metrics.py --recording DIRECTORY` writes it to the servers.
"""

import argparse
import gzip
import threading
import time
from pathlib import Path

import requests


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("targets", nargs="+", metavar="NAME=URL")
    parser.add_argument("--every", type=float, default=5, help="seconds")
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args(arguments)
    end = time.monotonic() + options.seconds
    threads = []
    for number, target in enumerate(options.targets):
        name, url = target.split("=", 1)
        # Each target in its own moment of the interval, as those who scrape do it.
        offset = options.every * number / len(options.targets)
        threads.append(threading.Thread(target=scrape, args=(options.directory / name, url, options.every, offset, end)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def scrape(directory, url, every, offset, end):
    directory.mkdir(parents=True, exist_ok=True)
    due = time.monotonic() + offset
    while due < end:
        time.sleep(max(0, due - time.monotonic()))
        due += every
        now = int(time.time() * 1000)
        try:
            answer = requests.get(url, headers={"Accept": "text/plain;version=0.0.4"}, timeout=every)
            answer.raise_for_status()
        except requests.RequestException as failure:
            print(f"{url}: {failure}", flush=True)
            continue
        (directory / f"{now}.txt.gz").write_bytes(gzip.compress(answer.content))


if __name__ == "__main__":
    main()
