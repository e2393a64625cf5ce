"""Real usage: the bytes of this machine's log files and source trees, reported by a few dozen slaves.

What was reported is added up here, independently of the cluster, so that the cluster's numbers can be checked.
"""

import collections
import itertools
import os
import threading
import time
import uuid

import local

SLAVES = 36
FILES = 40_000
ROWS = 200  # rows in one report
POOLS = (("web", "2TB", 12), ("databases", "1TB", 10), ("batch", "500GB", 8))  # the rest falls to the automatic pool
AUTOMATIC = "auto_generated_pool_enterprise"
TREES = ("/var/log", "/usr/include", "/usr/share/doc", "/usr/lib/python3", "/usr/share/perl", "/etc")
SOURCETYPES = {
    ".rs": "rust", ".py": "python", ".h": "c_header", ".hpp": "cpp_header", ".c": "c", ".cc": "cpp", ".cpp": "cpp",
    ".sh": "shell", ".pl": "perl", ".pm": "perl", ".md": "markdown", ".txt": "text", ".log": "log", ".json": "json",
    ".toml": "toml", ".yml": "yaml", ".yaml": "yaml", ".conf": "config", ".cfg": "config", ".gz": "archive",
    ".html": "html", ".xml": "xml", ".po": "translation",
}  # fmt: skip


def measured_files(project):
    """(path, bytes, sourcetype) of real files: what grows first, then source trees."""
    rust = os.path.join(os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo")), "registry", "src")
    found = []
    for tree in (*TREES, project, rust):
        for folder, folders, files in os.walk(tree):
            folders[:] = sorted(name for name in folders if name not in ("target", ".git"))
            for name in sorted(files):
                path = os.path.join(folder, name)
                try:
                    about = os.lstat(path)
                except OSError:
                    continue
                if about.st_size and (about.st_mode & 0o170000) == 0o100000:
                    kind = SOURCETYPES.get(os.path.splitext(name)[1].lower(), "log" if tree == "/var/log" else "other")
                    found.append((path, about.st_size, kind))
    # a fair share of every tree when there are more than enough
    step = max(1, len(found) // FILES)
    return found[::step][:FILES]


class Slave:
    """An indexer: its own sequence, and what it has reported so far."""

    def __init__(self, number, pool):
        self.guid = str(uuid.uuid4()).upper()
        self.host = f"idx-{number + 1:02d}"
        self.pool = pool
        self.sequence = 0
        self.bytes = 0

    def report(self, files):
        """The next report: rows by sourcetype, host and source."""
        self.sequence += 1
        sums = collections.Counter()
        for path, size, kind in files:
            sums[(kind, os.path.dirname(path)[:100])] += size
        rows = [
            {"bytes": size, "sourcetype": kind, "host": self.host, "source": source, "index": "main"}
            for (kind, source), size in sums.items()
        ]
        self.bytes += sum(size for _, size, _ in files)
        return {"slave": self.guid, "sequence": self.sequence, "rows": rows}


class Fleet:
    """All slaves, and the sums that the cluster must agree with."""

    def __init__(self, files):
        names = [name for name, _, count in POOLS for _ in range(count)]
        names += [AUTOMATIC] * (SLAVES - len(names))
        self.slaves = [Slave(number, name) for number, name in enumerate(names)]
        self.measured = []  # slaves that an agent measures and reports for
        self.files = itertools.cycle(files)
        self.lock = threading.Lock()

    def hand_over(self, count):
        """The last slaves, for agents to report for; their bytes still belong to the sums."""
        self.measured = self.slaves[-count:]
        del self.slaves[-count:]
        return self.measured

    def everyone(self):
        return self.slaves + self.measured

    def members(self, pool):
        return [slave.guid for slave in self.everyone() if slave.pool == pool]

    def next_report(self, slave, rows=ROWS):
        with self.lock:
            files = list(itertools.islice(self.files, rows))
        return slave.report(files)

    def expected(self):
        """Bytes by pool."""
        sums = collections.Counter({name: 0 for name, _, _ in POOLS})
        for slave in self.everyone():
            sums[slave.pool] += slave.bytes
        return dict(sums)


class Reporter:
    """Sends reports and does not give up: the next node, the same sequence, until each is counted."""

    def __init__(self, cluster, first=0, timeout=2.0):
        self.cluster, self.timeout = cluster, timeout
        self.turn = first
        self.apis = [None] * len(cluster["nodes"])
        self.acknowledged = 0
        self.longest_gap = 0.0
        self.duplicates = 0

    def api(self):
        index = self.turn % len(self.apis)
        if self.apis[index] is None:
            node = self.cluster["nodes"][index]
            self.apis[index] = local.login(
                node["api"], self.cluster["ca_file"], self.cluster["admin"], timeout=self.timeout
            )
        return self.apis[index]

    def send(self, reports, seconds=60.0):
        """Counts these reports exactly once; how long that took."""
        began = time.monotonic()
        while True:
            try:
                results = self.api().post("usage", {"reports": reports})["results"]
                break
            except local.Refused as refused:
                if refused.status not in (0, 401, 429, 503, 504):
                    raise
                if time.monotonic() - began > seconds:
                    raise local.Problem(f"no node counted a report within {seconds} s: {refused}") from refused
                self.apis[self.turn % len(self.apis)] = None
                self.turn += 1
                time.sleep(0.01)
        for result in results:
            if result["status"] == "duplicate":
                self.duplicates += 1
            elif result["status"] not in ("accepted", "late"):
                raise local.Problem(f"a report was not counted: {result}")
        self.acknowledged += len(results)
        gap = time.monotonic() - began
        self.longest_gap = max(self.longest_gap, gap)
        return gap


def differences(cluster, fleet):
    """Where a node's numbers differ from what was measured; empty when every node agrees."""
    wrong = []
    expected = fleet.expected()
    for node in cluster["nodes"]:
        api = local.login(node["api"], cluster["ca_file"], cluster["admin"])
        for name, size in expected.items():
            pool = api.get(f"pools/{name}")
            slaves = {slave.guid: slave.bytes for slave in fleet.everyone() if slave.pool == name and slave.bytes}
            said = {guid: used for guid, used in pool["slaves_used_bytes"].items() if used}
            if pool["used_bytes"] != size:
                wrong.append(f"{node['name']}: pool {name} has {pool['used_bytes']} bytes, measured {size}")
            if said != slaves:
                odd = [guid for guid in set(said) | set(slaves) if said.get(guid) != slaves.get(guid)]
                wrong.append(f"{node['name']}: pool {name}: {len(odd)} slaves differ, such as {odd[0]}")
        api.close()
    return wrong
