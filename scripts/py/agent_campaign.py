"""scripts/campaign agent: kill -9 of an agent at random, with nodes stopped and started meanwhile, while its files grow and
turn over. In the end every node must have counted exactly the bytes that were written."""

import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import agents
import demo
import local
import usage

GUID = "6A4D2A0C-9C1B-4F7E-8A55-0D1E6B3C7F21"
LONGEST_LIFE = 2.5  # seconds between two kills


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/campaign agent", description=__doc__)
    parser.add_argument("what", choices=["agent"])
    parser.add_argument("--count", type=int, default=50, help="how many kills (default: 50)")
    parser.add_argument("--seed", type=int, default=None, help="of what is random (default: the time)")
    parser.add_argument("--dir", help="where everything lies (default: a new directory, removed at the end)")
    return parser.parse_args()


class Masters:
    """Nodes that are stopped and started by lot; sometimes so many that there is no quorum."""

    def __init__(self, cluster, lot):
        self.nodes, self.random = cluster["nodes"], lot
        self.stops = self.kills = self.without_quorum = 0

    def running(self):
        return [node for node in self.nodes if local.processes(node)]

    def turn(self):
        running = self.running()
        down = [node for node in self.nodes if node not in running]
        if down and self.random.random() < 0.6:
            local.start(self.random.choice(down))
        elif len(running) > 1 and self.random.random() < 0.5:
            self.take_down(self.random.choice(running))
        self.without_quorum += len(self.running()) < 2

    def take_down(self, node):
        if self.random.random() < 0.5:
            local.stop_all([node])
            self.stops += 1
        else:
            for pid in local.processes(node):
                local.send(pid, 9)
            local.wait_for("a killed node is gone", 10, lambda: (local.reap() or not local.processes(node), node["name"]))
            self.kills += 1

    def all_up(self):
        for node in self.nodes:
            if not local.processes(node):
                local.start(node)
        for node in self.nodes:
            local.wait_ready(node)


def check(cluster, agent):
    """Every node against what was written: the pool, the slave, and each log under its own name."""
    local.wait_alike(cluster)
    written = agent.logs.written
    for node in cluster["nodes"]:
        api = local.login(node["api"], cluster["ca_file"], cluster["admin"])
        pool = api.get(f"pools/{usage.AUTOMATIC}")
        said = (pool["used_bytes"], pool["slaves_used_bytes"].get(GUID))
        if said != (written, written):
            raise local.Problem(f"{node['name']} counts {said}, {written} bytes were written\n{agent.last_words(20)}")
        days = api.get("usage/days?by=source")["days"]
        api.close()
    return collections.Counter(row["name"] for day in days for row in day["rows"])


def campaign(options, folder):
    seed = options.seed if options.seed is not None else int(time.time())
    lot = random.Random(seed)
    builder = local.Builder(folder, 3, False, os.environ["QUARTERMASTER_BIN"], zone=demo.quiet_zone())
    local.say(f"three nodes in {folder}; seed {seed}")
    cluster = builder.up()
    agent = None
    try:
        agents.report_often(cluster)
        agent = agents.Agent(cluster, Path(folder) / "agent", GUID, "idx-01", scan_ms=50, seed=seed)
        masters = Masters(cluster, lot)
        agent.logs.start()
        began = time.monotonic()
        for number in range(options.count):
            agent.start()
            time.sleep(lot.uniform(0.0, LONGEST_LIFE))
            agent.kill()
            masters.turn()
            time.sleep(lot.uniform(0.0, 0.5))
            if (number + 1) % 10 == 0:
                waits = (agent.status() or {}).get("pending_bytes")
                print(f"    {number + 1:>3} kills: {agent.logs.written} bytes written, {waits} wait", file=sys.stderr, flush=True)
        agent.logs.stop()
        took = time.monotonic() - began
        masters.all_up()
        agent.start()
        agent.settled()
        agent.stop()
        sources = check(cluster, agent)
        turns = ", ".join(f"{count} {how}" for how, count in agent.logs.turns.items())
        status = agent.status()
        print(f"agent killed with -9: {options.count} times in {took:.0f} s; seed {seed}")
        print(f"masters meanwhile: {masters.kills} killed, {masters.stops} stopped; {masters.without_quorum} times no quorum")
        print(f"files: {len(os.listdir(agent.logs.folder))}, rotations: {turns}; sources reported: {len(sources)}")
        print(f"reports: {status['next_sequence'] - 1} in one epoch {status['epoch']}")
        print(f"bytes written: {agent.logs.written}, counted on every node: {agent.logs.written}, lost or doubled: 0")
    finally:
        if agent:
            agent.logs.stop()
            agent.kill()
        local.stop_all(cluster["nodes"])


def main():
    options = arguments()
    folder = options.dir or tempfile.mkdtemp(prefix="quartermaster-campaign-")
    try:
        campaign(options, folder)
    except local.Problem as problem:
        print(f"error: {problem}\nthe files stay in {Path(folder)}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if not options.dir:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
