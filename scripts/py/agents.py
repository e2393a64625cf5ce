"""Agents of this machine: what scripts/demo and scripts/campaign agent share.

Each has a user that may report for its slave alone, files that grow and turn over, and a count of the bytes that were
written to them, kept here, independently of agent and cluster.
"""

import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import local

REPORT_INTERVAL_MS = 1_000  # the shortest that a cluster takes: nobody wants to wait a minute for a demo
SETTLE_SECONDS = 90
LOGS = 5  # growing files of one agent
LINES = 60  # most lines in one go
PREFIXES = ("INFO request served", "WARN slow answer from upstream", "ERROR connection reset", "DEBUG cache miss")


class Logs:
    """Log files that grow and are rotated in every way that logrotate knows, until stopped."""

    def __init__(self, folder, seed):
        self.folder, self.random = Path(folder), random.Random(seed)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.written = 0
        self.turns = {"renamed": 0, "copied and cut off": 0}
        self.generation = 0
        self.pause = threading.Event()
        self.lock = threading.Lock()
        self.thread = None

    def name(self, number):
        return self.folder / f"app-{number}x.log"

    def append(self, number):
        lines = [
            f"{time.time():.6f} {secrets.token_hex(4)} {self.random.choice(PREFIXES)} {self.random.random()}\n"
            for _ in range(self.random.randint(1, LINES))
        ]
        text = "".join(lines).encode()
        with open(self.name(number), "ab") as file:
            file.write(text)
        self.written += len(text)

    def rotate(self, number):
        live = self.name(number)
        if not live.exists():
            return
        self.generation += 1
        old = live.with_name(f"{live.name}.{self.generation}")
        if self.random.random() < 0.5:
            os.rename(live, old)
            self.turns["renamed"] += 1
        else:
            shutil.copyfile(live, old)
            os.truncate(live, 0)
            self.turns["copied and cut off"] += 1

    def step(self):
        with self.lock:
            number = self.random.randrange(LOGS)
            if self.random.random() < 0.06:
                self.rotate(number)
            else:
                self.append(number)

    def start(self, seconds=0.02):
        def work():
            while not self.pause.wait(seconds):
                self.step()

        self.thread = threading.Thread(target=work, daemon=True)
        self.thread.start()

    def stop(self):
        self.pause.set()
        if self.thread:
            self.thread.join()
        self.pause.clear()


class Agent:
    """One agent and its files."""

    def __init__(self, cluster, folder, guid, host, trees=(), scan_ms=200, seed=0):
        self.folder, self.guid, self.host = Path(folder), guid, host
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state, self.config = self.folder / "state", self.folder / "agent.toml"
        self.log_file = self.folder / "agent.log"
        self.logs = Logs(self.folder / "logs", seed)
        self.trees = list(trees)
        self.process = None
        self.cluster = cluster
        self.make_user()
        self.write_config(scan_ms)

    def make_user(self):
        password = secrets.token_urlsafe(18)
        self.password_file = self.folder / "password"
        local.write_secret(self.password_file, password + "\n")
        api = local.login(self.cluster["nodes"][0]["api"], self.cluster["ca_file"], self.cluster["admin"])
        api.post("users", {"name": self.host, "password": password, "roles": ["reporter"], "slave": self.guid})
        api.close()

    def write_config(self, scan_ms):
        lines = [
            f"slave = {json.dumps(self.guid)}",
            f"host = {json.dumps(self.host)}",
            'index = "main"',
            f"state_dir = {json.dumps(str(self.state))}",
            f"addr = {json.dumps([node['api'] for node in self.cluster['nodes']])}",
            f"ca = {json.dumps(self.cluster['ca_file'])}",
            f"user = {json.dumps(self.host)}",
            f"password_file = {json.dumps(str(self.password_file))}",
            f"scan_interval_ms = {scan_ms}",
            'log_format = "text"',
            "",
            "[[watch]]",
            f"path = {json.dumps(str(self.logs.folder))}",
            'sourcetype = "log"',
        ]
        for tree in self.trees:
            lines += ["", "[[watch]]", f"path = {json.dumps(str(tree))}", 'sourcetype = "other"', "exclude = []"]
            lines += ['sourcetypes = { "*.py" = "python", "*.h" = "c_header", "*.rs" = "rust", "*.gz" = "archive" }']
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def command(self, *more):
        return [os.environ["QUARTERMASTER_BIN"], "agent", "--config", str(self.config), *more]

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self):
        """kill -9."""
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None

    def stop(self):
        """SIGTERM; it reports what is there and ends well."""
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process = None
        if code != 0:
            raise local.Problem(f"the agent of {self.host} ended with {code}: {self.last_words()}")

    def status(self):
        command = [os.environ["QUARTERMASTER_BIN"], "agent", "status", "-o", "json", "--state-dir", str(self.state)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def last_words(self, lines=5):
        return local.last_words({"log_file": self.log_file}, lines)

    def measured(self):
        """Bytes of its files: what was written to its logs, and what its trees hold."""
        return self.logs.written + sum(tree_bytes(self.trees))

    def settled(self):
        """Waits until everything is counted, by the agent's own word."""
        expected = self.measured()

        def look():
            status = self.status()
            done = status and status["pending_bytes"] == 0 and status["counted_bytes"] == expected
            return done, f"{self.host}: {expected} bytes written, its agent says {status}\n{self.last_words()}"

        return local.wait_for("an agent's bytes are counted", SETTLE_SECONDS, look)


def tree_bytes(trees):
    """Sizes of all files below, each once however many names it has."""
    seen = set()
    for tree in trees:
        for folder, _, files in os.walk(tree):
            for name in files:
                try:
                    about = os.stat(os.path.join(folder, name))
                except OSError:
                    continue
                if (about.st_mode & 0o170000) == 0o100000 and (about.st_dev, about.st_ino) not in seen:
                    seen.add((about.st_dev, about.st_ino))
                    yield about.st_size


def report_often(cluster):
    api = local.login(cluster["nodes"][0]["api"], cluster["ca_file"], cluster["admin"])
    api.call("PATCH", "settings", {"report_interval_ms": REPORT_INTERVAL_MS})
    api.close()
