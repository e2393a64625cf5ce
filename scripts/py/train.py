"""scripts/train: a day's work in miniature for a binary that counts what it executes.

Three nodes, plain and with TLS, get what nodes mostly get: single reports, batches, reads, pool edits, logins, on the leader and
through a follower, on one connection and on many; then a node starts again from what it has on disk. A process writes what it
counted when it ends by itself, so none is killed here.
"""

import shutil
import subprocess
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
MEASURE = "2s"
SLAVES = "20000"


def go(ours, number, work, place, connections, tls):
    node = ours.ordered()[place]
    command = [ours.binary, "bench", work, "--url", node["api"], "--fill", "--connections", str(connections)]
    command += ["--measure", MEASURE, "--run", str(number), "--slaves", SLAVES, "--token-file", str(ours.token_file)]
    command += ["--ca", ours.cluster["ca_file"]] if tls else []
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        raise local.Problem(f"{work} at {connections}: {done.stderr.strip()}")


def train(folder, tls):
    ours = bench.Ours(folder, tls)
    try:
        for number, (work, place, connections) in enumerate(GOES):
            local.say(f"{'TLS' if tls else 'plain'}: {work} on {'a follower' if place else 'the leader'}, {connections} connections")
            go(ours, number + 1, work, place, connections, tls)
        again = ours.ordered()[1]
        local.stop_all([again])
        local.wait_ready(again, local.start(again))
    finally:
        ours.down()


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
