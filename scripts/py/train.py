"""scripts/train: a day's work in miniature for a binary that counts what it executes.

Three nodes, plain and with TLS, get what nodes mostly get: single reports, batches, reads, pool edits, logins, on the leader and
through a follower, on one connection and on many; then a node starts again from what it has on disk. A process writes what it
counted when it ends by itself, so none is killed here.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import bench
import local

# work, node (0 is the leader), connections
GOES = [
    ("report", 0, 64),
    ("report", 1, 64),
    ("report", 0, 16),
    ("report", 0, 1),
    ("batch", 0, 16),
    ("batch", 1, 16),
    ("read", 0, 64),
    ("read", 1, 64),
    ("edit", 0, 16),
    ("seat", 0, 64),
    ("seat", 1, 16),
]
SECONDS = 2.0  # of each
SLAVES = 20_000


def train(folder, tls):
    nodes = bench.Bench(argparse.Namespace(tls=tls, no_etcd=True, seconds=SECONDS, slaves=SLAVES), folder)
    try:
        nodes.up()
        for work, place, connections in GOES:
            local.say(f"{'TLS' if tls else 'plain'}: {work} on {'a follower' if place else 'the leader'}, {connections} connections")
            nodes.load("ours", work, place, connections)
        again = nodes.ours.ordered()[1]
        local.stop_all([again])
        local.wait_ready(again, local.start(again))
    finally:
        nodes.down()


def main():
    folder = tempfile.mkdtemp(prefix="quartermaster-train-")
    try:
        for way, tls in (("plain", False), ("tls", True)):
            train(Path(folder) / way, tls)
    except local.Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
