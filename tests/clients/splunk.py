"""The vendor's Python library, unchanged, against every node of a cluster: each request goes to the next node.

QM_URLS, QM_USER, QM_PASSWORD say where and as whom; QM_LICENSE is a license document of 10 GB a day.
"""

import base64
import itertools
import json
import os
import urllib.request
from urllib.parse import urlparse, urlunparse

from splunklib import binding, client

NODES = [urlparse(url) for url in os.environ["QM_URLS"].split(",")]
WHO = {"username": os.environ["QM_USER"], "password": os.environ["QM_PASSWORD"]}
LICENSE = os.environ["QM_LICENSE"]


def in_turn():
    """A handler that sends each request to the next node."""
    turn, plain = itertools.cycle(NODES), binding.handler()

    def request(url, message, **kwargs):
        node = next(turn)
        url = urlunparse(urlparse(url)._replace(scheme=node.scheme, netloc=node.netloc))
        return plain(url, message, **kwargs)

    return request


def connect(**more):
    first = NODES[0]
    return client.connect(host=first.hostname, port=first.port, scheme=first.scheme, handler=in_turn(), **WHO, **more)


def refused(status, call):
    """The call must be refused with this status; gives what the server said."""
    try:
        call()
    except binding.AuthenticationError as error:
        assert status == 401, error
        return str(error)
    except binding.HTTPError as error:
        assert error.status == status, error
        return str(error)
    except KeyError as error:
        assert status == 404, error
        return str(error)
    raise AssertionError(f"not refused with {status}")


def report(slave, sequence, rows):
    node = NODES[sequence % len(NODES)]
    body = json.dumps({"slave": slave, "sequence": sequence, "rows": rows}).encode()
    request = urllib.request.Request(node.geturl() + "/api/v1/usage", body, {"Content-Type": "application/json"})
    secret = base64.b64encode(f"{WHO['username']}:{WHO['password']}".encode())
    request.add_header("Authorization", "Basic " + secret.decode())
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["results"][0]["status"] == "accepted"


def logins(service):
    assert service.token.startswith("Splunk "), service.token
    assert service.splunk_version[:2] == (6, 2), service.splunk_version
    assert "license_master" in service.info["server_roles"]
    first = NODES[0]
    where = {"host": first.hostname, "port": first.port, "scheme": first.scheme, "handler": in_turn()}
    by_token = client.Service(token=service.token, **where)
    assert by_token.info["guid"] == service.info["guid"]
    by_bearer = client.Service(splunkToken=service.token.split(" ", 1)[1], **where)
    assert by_bearer.info["guid"] == service.info["guid"]
    by_basic = client.Service(basic=True, **WHO, **where)
    assert by_basic.info["guid"] == service.info["guid"]
    refused(401, lambda: client.connect(username=WHO["username"], password="wrong", **where))
    # a key that is good no more: the library logs in again by itself
    stale = connect(autologin=True)
    stale.token = "Splunk nothing"
    stale.http._cookies.clear()
    assert stale.info["guid"] == service.info["guid"]


def licenses(service):
    every = client.Collection(service, "licenser/licenses")
    made = every.create("enterprise.lic", payload=LICENSE)
    assert len(made.name) == 64 and made["status"] == "VALID" and made["type"] == "enterprise", made.content
    assert made["stack_id"] == "enterprise" and made["quota"] == str(10 << 30)
    assert made.name in [each.name for each in every.list()]
    assert every[made.name]["license_hash"] == made.name
    assert "cannot add again" in refused(409, lambda: every.create("again.lic", payload=LICENSE))
    refused(400, lambda: every.create("bad.lic", payload="<license/>"))
    refused(400, lambda: every.create("/etc/passwd"))
    refused(400, lambda: every.delete(made.name))


def groups(service):
    every = client.Collection(service, "licenser/groups")
    assert [each.name for each in every if each["is_active"] == "1"] == ["Enterprise"]
    every["Free"].post(is_active=1)
    assert every["Free"].refresh()["is_active"] == "1" and every["Enterprise"]["is_active"] == "0"
    every["Enterprise"].update(is_active=True)
    assert every["Enterprise"].refresh()["is_active"] == "1"
    stacks = {each.name: each for each in client.ReadOnlyCollection(service, "licenser/stacks")}
    assert stacks["enterprise"]["quota"] == str(10 << 30) and stacks["free"]["type"] == "free"


def pools(service):
    every = client.Collection(service, "licenser/pools")
    meta = every.itemmeta()["fields"]
    assert set(meta["required"]) == {"name", "quota", "stack_id"}, meta
    pool = every.create("two words", quota="50MB", stack_id="enterprise", slaves="A1,A2", description="über <ops> & co")
    assert pool.name == "two words" and pool["quota"] == "52428800", pool.content
    assert pool.access.owner == "nobody" and pool.access.app == "system" and pool.access.sharing == "system"
    # what one node took is there on the next
    for size in range(1, 10):
        pool.update(quota=f"{size}MB", append_slaves=1, slaves=f"B{size}")
        assert pool.refresh()["quota"] == str(size << 20)
        assert f"B{size}" in pool["slaves"]
    assert pool["description"] == "über <ops> & co" and len(pool["slaves"]) == 11
    assert "two words" in every and every["two words"]["stack_id"] == "enterprise"
    pool.reload()
    refused(409, lambda: every.create("two words", quota="1MB", stack_id="enterprise"))
    refused(400, lambda: every.create("max", quota="MAX", stack_id="enterprise"))
    refused(400, lambda: pool.update(quota="lots"))
    refused(400, lambda: pool.update(colour="red"))
    for number in range(25):
        every.create(f"p{number:02}", quota="1KB", stack_id="enterprise")
    names = [each.name for each in every.list()]
    assert len(names) == 28, names
    # pages of ten, filtered and sorted by the server
    paged = [each.name for each in every.iter(pagesize=10, search="name=p*", sort_key="name", sort_dir="desc")]
    assert paged == [f"p{number:02}" for number in reversed(range(25))], paged
    assert [each.name for each in every.list(count=2, offset=1, search="p1*")][0] == "p11"
    for number in range(25):
        every.delete(f"p{number:02}")
    every.delete("two words")
    assert "two words" not in every
    refused(404, lambda: every.delete("two words"))


def usage(service):
    pools = client.Collection(service, "licenser/pools")
    pool = pools.create("metered", quota="1KB", stack_id="enterprise", slaves="M1")
    report("M1", 1, [{"bytes": 2000, "sourcetype": "syslog"}])
    pool.refresh()
    assert pool["used_bytes"] == "2000" and pool["slaves_usage_bytes"] == {"M1": "2000"}, pool.content
    slaves = client.ReadOnlyCollection(service, "licenser/slaves")
    assert slaves["M1"]["active_pool_ids"] == ["metered"], slaves["M1"].content
    assert sorted(slaves["M1"]["pool_ids"]) == ["auto_generated_pool_free", "metered"], slaves["M1"].content
    peers = client.ReadOnlyCollection(service, "licenser/peers")
    assert [each.name for each in peers] == [each.name for each in slaves]
    local = client.ReadOnlyCollection(service, "licenser/localslave")["license"]
    assert local["master_uri"] == "self" and local["features"]["LocalSearch"] == "ENABLED"
    assert local["slave_id"] in [each.name for each in slaves]
    messages = client.ReadOnlyCollection(service, "licenser/messages").list()
    over = [each for each in messages if each["category"] == "pool_over_quota"]
    assert over[0]["pool_id"] == "metered" and "poolsize=1024 bytes" in over[0]["description"], over
    assert client.ReadOnlyCollection(service, "licenser/messages")[over[0].name]["severity"] == "INFO"
    answer = json.loads(service.get("licenser/usage", output_mode="json").body.read())
    assert answer["entry"][0]["content"]["slaves_usage_bytes"] == 2000
    answer = json.loads(service.post("licenser/pools/metered", quota="2KB", output_mode="json").body.read())
    assert answer["entry"][0]["content"]["quota"] == 2048


def main():
    service = connect()
    logins(service)
    licenses(service)
    groups(service)
    pools(service)
    usage(service)


main()
