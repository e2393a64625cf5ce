"""Three nodes of etcd on loopback, for scripts/bench. Standard library only."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import local

NODES = 3


class Etcd:
    """A cluster that runs from `up` to `down`, with its default settings and durable."""

    def __init__(self, folder, tls):
        self.folder = Path(folder)
        self.tls = tls
        self.nodes = []

    def up(self):
        ports = local.free_ports(2 * NODES)
        scheme = "https" if self.tls else "http"
        self.folder.mkdir(parents=True)
        more = self.certificates() if self.tls else []
        peers = {f"e{at + 1}": f"{scheme}://127.0.0.1:{ports[2 * at]}" for at in range(NODES)}
        for at, (name, peer) in enumerate(peers.items()):
            client = f"{scheme}://127.0.0.1:{ports[2 * at + 1]}"
            command = [shutil.which("etcd"), "--name", name, "--data-dir", str(self.folder / name)]
            command += ["--listen-client-urls", client, "--advertise-client-urls", client]
            command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            command += ["--initial-cluster", ",".join(f"{one}={url}" for one, url in peers.items())]
            command += ["--initial-cluster-state", "new", "--initial-cluster-token", "bench"]
            command += ["--logger", "zap", "--log-level", "error", *more]
            node = {"name": name, "api": client, "start": command, "env": {}, "pid": None}
            node["log_file"] = str(self.folder / f"{name}.log")
            self.nodes.append(node)
            local.start(node)
        local.wait_for("etcd has a leader", local.START_SECONDS, self.look)

    def down(self):
        local.stop_all(self.nodes)

    def certificates(self):
        """A certificate of its own for everything; what to tell each node about it."""
        self.ca_file = str(self.folder / "ca.pem")
        key, certificate, request = (str(self.folder / name) for name in ("key.pem", "cert.pem", "request.pem"))
        names = self.folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n", "utf-8")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl("req", "-x509", *curve, "-keyout", f"{key}.ca", "-out", self.ca_file, "-subj", "/CN=bench CA", "-days", "2")
        openssl("req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=etcd")
        openssl("x509", "-req", "-in", request, "-CA", self.ca_file, "-CAkey", f"{key}.ca", "-CAcreateserial",
                "-out", certificate, "-days", "2", "-extfile", str(names))  # fmt: skip
        # a CA for clients would make etcd ask every client for a certificate, which ours are not asked for
        own = ["--cert-file", certificate, "--key-file", key]
        return own + ["--peer-cert-file", certificate, "--peer-key-file", key, "--peer-trusted-ca-file", self.ca_file]

    def ctl(self, *arguments, seconds=30):
        command = ["etcdctl", "--endpoints", ",".join(node["api"] for node in self.nodes)]
        command += ["--cacert", self.ca_file] if self.tls else []
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, check=False, timeout=seconds,
            env={**os.environ, "ETCDCTL_API": "3"},
        )  # fmt: skip
        return done.stdout + done.stderr

    def look(self):
        """The nodes in order, the leader first; nothing while there is none."""
        try:
            said = json.loads(self.ctl("endpoint", "status", "-w", "json").splitlines()[0])
        except (ValueError, IndexError):
            return None, "no status"
        urls = [one["Endpoint"] for one in said if one["Status"].get("leader") == one["Status"]["header"]["member_id"]]
        if len(urls) != 1 or len(said) != NODES:
            return None, "no leader"
        return sorted(self.nodes, key=lambda node: node["api"] != urls[0]), ""

    def ordered(self):
        return local.wait_for("etcd has a leader", local.START_SECONDS, self.look)

    def check_perf(self):
        """What etcd's own client says about its writes, over its own protocol: the lines that name a figure."""
        said = self.ctl("check", "perf", "--load=l", seconds=120)
        return [line.strip() for line in said.replace("\r", "\n").splitlines() if "hroughput" in line]


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise local.Problem(f"openssl {arguments[0]}: {done.stderr.strip()}")


def version():
    said = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0].split(":")[1].strip()

