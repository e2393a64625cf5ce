"""Clusters of this machine: what scripts/cluster, demo and campaign share. Standard library only.

It starts and stops real nodes on loopback and speaks the public API; it knows nothing that an operator could not know.
"""

import http.client
import json
import os
import random
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

QUOTA_BYTES = 10 << 40  # 10 TB a day, base 2
# Outside of Linux' default range for outgoing connections, so that nobody takes a stopped node's port by accident.
PORTS = range(12000, 31000)
START_SECONDS = 60
STOP_SECONDS = 30


class Problem(Exception):
    """Something a person should read, without a stack trace."""


def say(text):
    bold = ("\033[1m", "\033[0m") if sys.stderr.isatty() else ("", "")
    print(f"{bold[0]}==>{bold[1]} {text}", file=sys.stderr, flush=True)


def wait_for(what, seconds, check):
    """Calls check until it gives something; a Problem with its last word when the time is over."""
    end = time.monotonic() + seconds
    while True:
        value, why = check()
        if value:
            return value
        if time.monotonic() > end:
            raise Problem(f"{what}: not within {seconds} s: {why}")
        time.sleep(0.05)


def free_ports(count):
    """Ports that are free now, all different: held open together until every one is found."""
    held = []
    try:
        for port in random.sample(PORTS, len(PORTS)):
            taken = socket.socket()
            try:
                taken.bind(("127.0.0.1", port))
            except OSError:
                taken.close()
                continue
            held.append(taken)
            if len(held) == count:
                return [one.getsockname()[1] for one in held]
        raise Problem("no free ports")
    finally:
        for one in held:
            one.close()


def write_secret(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


# --- processes -------------------------------------------------------------------------------------------------------


def argv_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def processes(node):
    """The processes that run exactly this node's command line, whoever started them."""
    found = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]

    def is_it(pid):
        # of a process that ends the command line goes first, and the directory's lock last
        command = argv_of(pid)
        return command == node["start"] or (pid == node["pid"] and not command)

    return [pid for pid in found if is_it(pid) and is_alive(pid)]


def is_alive(pid):
    """Whether any of its threads runs: the first one may have ended while others still hold the files."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        states = [Path(f"/proc/{pid}/task/{thread}/stat").read_text(encoding="utf-8", errors="replace") for thread in threads]
    except OSError:
        return Path(f"/proc/{pid}").exists()
    return any(state.rpartition(")")[2].split()[0] not in "ZX" for state in states)


def start(node):
    """Starts the node in a session of its own, its log appended to its file; the process. Waits for one that ends."""
    wait_for(f"{node['name']} has ended", STOP_SECONDS, lambda: (not processes(node), "it still holds its directory"))
    with open(node["log_file"], "ab") as log:
        process = subprocess.Popen(
            node["start"],
            env={**os.environ, **node["env"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    node["pid"] = process.pid
    return process


def last_words(node, lines=3):
    try:
        text = Path(node["log_file"]).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "no log"
    return "\n".join(text.splitlines()[-lines:]) or "an empty log"


def stop_all(nodes):
    """Ends every process of these nodes: asks first, then kills. Nothing of them runs afterwards."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        end = time.monotonic() + STOP_SECONDS
        told = set()
        while running := [pid for node in nodes for pid in processes(node)]:
            for pid in set(running) - told:
                send(pid, number)
                send(pid, signal.SIGCONT)
                told.add(pid)
            if time.monotonic() > end:
                break
            reap()
            time.sleep(0.05)
        else:
            return
    raise Problem(f"still running: {running}")


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def reap():
    """Takes leave of children that ended, so that they do not stay as zombies."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


# --- the API ---------------------------------------------------------------------------------------------------------


class Refused(Problem):
    """An answer that is no success."""

    def __init__(self, status, body, what):
        self.status = status
        self.body = body
        error = body.get("error", body) if isinstance(body, dict) else body
        message = error.get("message", error) if isinstance(error, dict) else error
        super().__init__(f"{what}: {status}: {message}")


class Api:
    """One connection to one node; opened again when it broke."""

    def __init__(self, url, ca_file, token=None, timeout=10.0):
        self.parts = urlsplit(url)
        self.token = token
        self.timeout = timeout
        self.context = None
        self.connection = None
        if self.parts.scheme == "https":
            self.context = ssl.create_default_context(cafile=ca_file)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def raw(self, method, path, body=None, headers=None):
        """Status, headers and bytes of one exchange; OSError or HTTPException when there was none."""
        try:
            if self.connection is None:
                where = (self.parts.hostname, self.parts.port)
                if self.context:
                    self.connection = http.client.HTTPSConnection(*where, timeout=self.timeout, context=self.context)
                else:
                    self.connection = http.client.HTTPConnection(*where, timeout=self.timeout)
            self.connection.request(method, path, body=body, headers=headers or {})
            answer = self.connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def call(self, method, path, body=None, kind="application/json"):
        """The JSON of a successful answer."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = kind
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        try:
            status, _, text = self.raw(method, f"/api/v1/{path}", data, headers)
        except (OSError, http.client.HTTPException) as error:
            raise Refused(0, {}, f"{method} {path} at {self.parts.netloc}: {error or type(error).__name__}") from error
        try:
            value = json.loads(text) if text else {}
        except ValueError:
            value = {"error": {"message": text[:200].decode(errors="replace")}}
        if not 200 <= status < 300:
            raise Refused(status, value, f"{method} {path} at {self.parts.netloc}")
        return value

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body=None, **more):
        return self.call("POST", path, {} if body is None else body, **more)


def login(url, ca_file, admin, **more):
    api = Api(url, ca_file, **more)
    api.token = api.post("login", {"username": admin["username"], "password": admin["password"]})["token"]
    return api


def readyz(node, local=False):
    """Whether the node is ready, and what it said."""
    api = Api(node["metrics"], None, timeout=2.0)
    try:
        status, _, text = api.raw("GET", "/readyz?verbose" + ("&local=true" if local else ""))
        return status == 200, text.decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return False, str(error) or type(error).__name__
    finally:
        api.close()


def wait_ready(node, process=None, seconds=START_SECONDS, local=False):
    def check():
        if process is not None and process.poll() is not None:
            raise Problem(f"{node['name']} ended with {process.returncode}:\n{last_words(node)}")
        ready, why = readyz(node, local)
        return ready, f"{why}\n{last_words(node)}"

    wait_for(f"{node['name']} serves", seconds, check)


# --- a cluster in a directory ----------------------------------------------------------------------------------------


def load(folder):
    """cluster.json of a directory; None when there is none."""
    path = Path(folder) / "cluster.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def save(folder, cluster):
    path = Path(folder) / "cluster.json"
    write_secret(f"{path}.new", json.dumps(cluster, indent=2) + "\n")
    os.replace(f"{path}.new", path)


class Builder:
    """Makes a cluster from nothing."""

    def __init__(self, folder, count, plain_http, binary, name="local", zone="UTC"):
        self.folder = Path(folder).resolve()
        self.count, self.plain, self.binary = count, plain_http, binary
        self.name, self.zone = name, zone
        self.operator = self.folder / "operator"
        self.ca_file = str(self.operator / "ca.pem")
        self.password_file = self.folder / "admin.password"
        self.admin = {"username": "admin", "password": secrets.token_urlsafe(18)}
        self.nodes = []
        self.more = []  # further flags for every node

    def run(self, *arguments):
        """Runs one command of the binary; its standard output."""
        done = subprocess.run([self.binary, *map(str, arguments)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            command = " ".join(map(str, arguments[:2]))
            raise Problem(f"quartermaster {command} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def client(self):
        """Flags with which a command reaches the cluster."""
        addresses = ",".join(node["api"] for node in self.nodes if node["id"])
        return ["--addr", addresses, "--ca", self.ca_file, "--user", "admin", "--password-file", self.password_file]

    def plan(self):
        """Every node's names, ports and command line."""
        ports = free_ports(3 * self.count)
        scheme = "http" if self.plain else "https"
        for index in range(self.count):
            api, peer, metrics = ports[3 * index : 3 * index + 3]
            data = self.folder / f"n{index + 1}"
            command = [self.binary, "serve", "--data-dir", str(data), "--listen", f"127.0.0.1:{api}"]
            command += ["--peer-listen", f"127.0.0.1:{peer}", "--metrics-listen", f"127.0.0.1:{metrics}"]
            command += ["--plain-http"] if self.plain else []
            command += self.more
            self.nodes.append(
                {
                    "name": f"n{index + 1}",
                    "id": None,
                    "pid": None,
                    "api": f"{scheme}://127.0.0.1:{api}",
                    "peer": f"127.0.0.1:{peer}",
                    "metrics": f"http://127.0.0.1:{metrics}",
                    "data_dir": str(data),
                    "log_file": str(self.folder / f"n{index + 1}.log"),
                    "start": command,
                    "env": {},
                }
            )

    def up(self, empty=False, progress=lambda text: None):
        """Starts everything; cluster.json's content. Nothing of it runs when it fails."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        write_secret(self.password_file, self.admin["password"] + "\n")
        self.plan()
        try:
            self.first(self.nodes[0])
            for node in self.nodes[1:]:
                progress(f"joining {node['name']}")
                self.further(node)
            progress("issuer keys and license")
            keys = self.issuers()
            if not empty:
                self.license(keys["ed25519"])
            cluster = self.description(keys)
            save(self.folder, cluster)
            wait_alike(cluster)
            return cluster
        except BaseException:
            stop_all(self.nodes)
            raise

    def first(self, node):
        where = ["--data-dir", node["data_dir"], "--operator-dir", self.operator]
        names = ["--name", self.name, "--zone", self.zone, "--node-name", node["name"]]
        reach = ["--peer", node["peer"], "--api", node["api"], "--host", "127.0.0.1", "--host", "localhost"]
        admin = ["--admin", self.admin["username"], "--admin-password-file", self.password_file]
        self.run("cluster", "init", *where, *names, *reach, *admin)
        wait_ready(node, start(node))
        node["id"] = self.api(node).get("cluster")["node"]

    def further(self, node):
        ticket = self.folder / f"{node['name']}.ticket"
        hosts = ["--host", "127.0.0.1", "--host", "localhost"]
        self.run("cluster", "ticket", "--operator-dir", self.operator, "--out", ticket, *hosts, *self.client())
        where = ["--data-dir", node["data_dir"], "--node-name", node["name"]]
        where += [flag for flag in self.more if flag == "--plain-peers"]
        self.run("cluster", "join", "--ticket", ticket, *where, "--peer", node["peer"], "--api", node["api"])
        ticket.unlink(missing_ok=True)
        wait_ready(node, start(node))
        node["id"] = self.api(node).get("cluster")["node"]
        self.run("cluster", "promote", node["id"], *self.client())

    def api(self, node):
        return login(node["api"], self.ca_file, self.admin)

    def issuers(self):
        keys = {}
        for algorithm in ("ed25519", "rsa"):
            folder = self.folder / "issuer"
            folder.mkdir(mode=0o700, exist_ok=True)
            private, public = folder / f"{algorithm}.pem", folder / f"{algorithm}.pub"
            self.run("license", "keygen", "--algorithm", algorithm, "--out", private, "--public", public)
            body = {"public_key": public.read_text(encoding="utf-8"), "label": f"local issuer, {algorithm}"}
            self.api(self.nodes[0]).post("keys", body)
            keys[algorithm] = str(private)
        return keys

    def license(self, key, quota=QUOTA_BYTES):
        self.install(key, {"label": "local cluster", "owner": "this machine", "stack": "enterprise", "quota": quota})

    def seats(self, kind, count):
        """Installs so many seats of a type."""
        seats = [{"type": kind, "count": count}]
        self.install(self.folder / "issuer" / "ed25519.pem", {"label": f"seats of {kind}", "seats": seats})

    def install(self, key, wishes):
        claims, document = self.folder / "issuer" / "claims.json", self.folder / "issuer" / "signed.license"
        claims.write_text(json.dumps(wishes), encoding="utf-8")
        self.run("license", "sign", "--format", "native", "--key", key, "--claims", claims, "--out", document)
        self.run("license", "add", document, *self.client())

    def description(self, keys):
        return {"nodes": self.nodes, "admin": self.admin, "ca_file": self.ca_file, "issuer_keys": keys}


def wait_alike(cluster, seconds=START_SECONDS):
    """Waits until every node is ready, knows the leader, and all have the same digest at the same position."""
    for node in cluster["nodes"]:
        wait_ready(node, seconds=seconds)
    apis = [login(node["api"], cluster["ca_file"], cluster["admin"]) for node in cluster["nodes"]]

    def check():
        try:
            views = [api.get("cluster") for api in apis]
            seq = min(view["applied_seq"] for view in views)
            digests = {api.get(f"journal/digest?seq={seq}")["digest"] for api in apis}
        except Refused as refused:
            return None, str(refused)
        leaders = {view["leader"] for view in views}
        voters = [member for member in views[0]["members"] if member["role"] in ("leader", "follower")]
        alike = len(digests) == 1 and len(leaders) == 1 and None not in leaders and len(voters) == len(apis)
        return (seq, digests.pop()) if alike else None, f"leaders {leaders}, digests {digests}, {len(voters)} voters"

    try:
        return wait_for("all nodes agree", seconds, check)
    finally:
        for api in apis:
            api.close()
