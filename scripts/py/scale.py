"""scripts/campaign scale: what a million slaves cost: a report, memory, a restart, a new node, lists. Draws docs/scale.svg.

Three nodes with plain HTTP on loopback, reports spread evenly at random over all slaves of a size. The sizes grow in one
cluster, so the last one carries all before it.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import demo
import local
import plot

SIZES = (1_000, 100_000, 1_000_000)
MEMORY_BYTES = 1_500_000_000
RESTART_SECONDS = 10.0
PAGE = 10_000


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/campaign scale", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("scale")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="slaves (default: %(default)s)")
    parser.add_argument("--pools", type=int, default=9_990, help="10,000 are the most, automatic ones included (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each size is measured (default: %(default)s)")
    parser.add_argument("--settle", type=float, default=30.0,
                        help="seconds of reports before each measurement: what filling left to write has ended then (default: %(default)s)")  # fmt: skip
    parser.add_argument("--only-reports", action="store_true", help="no lists, restarts and new node: the cost of a report only")
    parser.add_argument("--svg", help="draw the picture into this file")
    options = parser.parse_args()
    options.sizes = [int(size) for size in options.sizes.split(",")]
    return options


def memory(node):
    """Bytes that a node has in memory."""
    status = Path(f"/proc/{node['pid']}/status").read_text(encoding="utf-8")
    return next(int(text.split()[1]) * 1024 for text in status.splitlines() if text.startswith("VmRSS"))


class Scale:
    """A cluster that grows."""

    def __init__(self, options, folder):
        self.options = options
        self.builder = local.Builder(folder, 4, True, os.environ["QUARTERMASTER_BIN"], name="scale", zone=demo.quiet_zone())
        self.builder.more = ["--plain-peers"]
        self.folder = Path(folder)
        self.lines, self.run = [], 0

    def say(self, text):
        self.lines.append(text)
        local.say(text)

    def up(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        local.write_secret(self.builder.password_file, self.builder.admin["password"] + "\n")
        self.builder.plan()
        self.nodes = self.builder.nodes[:3]
        self.builder.first(self.nodes[0])
        for node in self.nodes[1:]:
            self.builder.further(node)
        keys = self.builder.issuers()
        self.builder.license(keys["ed25519"])
        self.cluster = {**self.builder.description(keys), "nodes": self.nodes}
        local.wait_alike(self.cluster)
        self.token_file = self.folder / "token"
        local.write_secret(self.token_file, self.builder.api(self.nodes[0]).token + "\n")

    def ordered(self):
        leader = demo.leader_of(self.cluster)
        return sorted(self.nodes, key=lambda node: node["id"] != leader["id"])

    def make_pools(self):
        def some(numbers):
            api = self.builder.api(self.nodes[0])
            for number in numbers:
                api.post("pools", {"name": f"pool-{number:05}", "stack": "enterprise", "quota": 1_000_000})
            api.close()

        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(some, [range(first, self.options.pools, 8) for first in range(8)]))
        self.say(f"{self.options.pools:,} pools in {time.monotonic() - began:.1f} s")

    def load(self, work, slaves, *more):
        nodes = self.ordered()
        self.run += 1
        command = [self.builder.binary, "bench", work, "--url", nodes[0]["api"], "--token-file", str(self.token_file)]
        command += ["-o", "json", "--connections", "64", "--measure", f"{self.options.seconds * 1000:.0f}ms", "--fill"]
        command += ["--slaves", str(slaves), "--run", str(self.run), "--warm-up", f"{self.options.settle * 1000:.0f}ms", *more]
        for node in nodes:
            command += ["--watch", str(node["pid"])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        if done.returncode != 0:
            raise local.Problem(f"{work} with {slaves} slaves: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def grow(self):
        """The cost of a report at each size."""
        found = collections.OrderedDict()
        for size in self.options.sizes:
            began = time.monotonic()
            said = self.load("report", size)
            cpu = said["cpu_us"]
            found[size] = (sum(cpu), cpu[0], said["per_second"])
            self.say(f"{size:,} slaves: {said['per_second']:,.0f} reports/s, CPU of a report {cpu[0]:.1f} us on the leader, "
                     f"{sum(cpu):.1f} us on all three, p99 {said['latency_us']['p99'] / 1000:.1f} ms; memory "
                     f"{max(map(memory, self.nodes)) / 1e6:,.0f} MB; {time.monotonic() - began:.0f} s in all")  # fmt: skip
        return found

    def restart(self, number, how):
        node = self.ordered()[1]
        [pid] = local.processes(node)
        local.send(pid, number)
        local.wait_for("it ends", 60, lambda: (not local.processes(node), "it runs"))
        local.reap()
        began = time.monotonic()
        local.wait_ready(node, local.start(node), seconds=120)
        took = time.monotonic() - began
        self.say(f"restart after {how}: serving after {took:.1f} s, memory {memory(node) / 1e6:,.0f} MB")
        return took

    def new_node(self):
        node = self.builder.nodes[3]
        began = time.monotonic()
        self.builder.further(node)
        self.say(f"a new node: joined, caught up and a voter after {time.monotonic() - began:.1f} s, "
                 f"memory {memory(node) / 1e6:,.0f} MB")  # fmt: skip

    def lists(self):
        node = self.ordered()[1]
        api = local.Api(node["api"], None, self.token_file.read_text(encoding="utf-8").strip(), timeout=300)
        for what in (f"slaves?limit={PAGE}", f"slaves?limit={PAGE}&state=active", "slaves?limit=100&state=silent",
                     "slaves?limit=100&pool=pool-00001", "pools?limit=10000"):  # fmt: skip
            began = time.monotonic()
            items = len(api.get(what)["items"])
            self.say(f"GET {what}: {items:,} items in {(time.monotonic() - began) * 1000:,.0f} ms")
        before, most, began, size = memory(node), 0, time.monotonic(), 0
        api.connection.request("GET", "/api/v1/slaves?all=true", headers={"Authorization": f"Bearer {api.token}"})
        answer = api.connection.getresponse()
        while piece := answer.read(1 << 20):
            size += len(piece)
            most = max(most, memory(node))
        self.say(f"GET slaves?all=true: {size / 1e6:,.0f} MB in {time.monotonic() - began:.1f} s, "
                 f"memory grew by {max(0, most - before) / 1e6:.0f} MB meanwhile")  # fmt: skip
        api.close()


def draw(found, path):
    sizes = list(found)
    plot.lines(
        path,
        "CPU time of one usage report, by slaves in state",
        "slaves (logarithmic)",
        "microseconds",
        sizes,
        {"all three nodes": [found[size][0] for size in sizes], "leader": [found[size][1] for size in sizes]},
    )


def verdict(found, scale, restarts):
    costs = [found[size][0] for size in found]
    spread = max(costs) / min(costs) - 1
    used = max(map(memory, scale.nodes))
    said = [
        (f"a report costs {spread * 100:.0f} % more at its dearest size than at its cheapest, promised 25 %", spread <= 0.25),
        (f"memory {used / 1e6:,.0f} MB, promised {MEMORY_BYTES / 1e6:,.0f}", used <= MEMORY_BYTES),
    ]
    if restarts:
        slowest = max(restarts)
        said.append((f"slowest restart {slowest:.1f} s, promised {RESTART_SECONDS:g}", slowest <= RESTART_SECONDS))
    for text, kept in said:
        scale.lines.append(f"{text}: {'kept' if kept else 'MISSED'}")


def main():
    options = arguments()
    folder = tempfile.mkdtemp(prefix="quartermaster-scale-")
    scale = Scale(options, folder)
    try:
        scale.up()
        scale.make_pools()
        found = scale.grow()
        restarts = []
        if not options.only_reports:
            scale.lists()
            restarts = [scale.restart(signal.SIGTERM, "a clean stop"), scale.restart(signal.SIGKILL, "kill -9")]
            scale.new_node()
        verdict(found, scale, restarts)
        if options.svg:
            draw(found, options.svg)
        print("\n".join(f"- {text}" for text in scale.lines))
    except local.Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        local.stop_all(scale.builder.nodes)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
