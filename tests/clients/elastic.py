"""Elasticsearch's own client through its whole license API, against a cluster of which one node may be down.

QM_URLS, QM_USER, QM_PASSWORD say where; QM_RSA_KEY is a trusted issuer's private key, QM_TOKEN a token of ours, QM_TRIAL
is `left` or `used`.
"""

import base64
import json
import os
import time
import warnings

import elastic_sign
from elastic_transport import HttpHeaders
from elastic_transport.client_utils import url_to_node_config
from elasticsearch import (
    AuthenticationException,
    AuthorizationException,
    BadRequestError,
    Elasticsearch,
    __versionstr__,
)

warnings.simplefilter("ignore")
URLS = os.environ["QM_URLS"].split(",")
KEY = os.environ["QM_RSA_KEY"]
NOW = int(time.time() * 1000)
DAY = 86_400_000


def client(urls=None, **options):
    options = options or {"basic_auth": (os.environ["QM_USER"], os.environ["QM_PASSWORD"])}
    return Elasticsearch(urls or URLS, max_retries=5, retry_on_timeout=True, request_timeout=20, **options)


def living():
    found = []
    for url in URLS:
        try:
            Elasticsearch([url], basic_auth=(os.environ["QM_USER"], os.environ["QM_PASSWORD"]), max_retries=0,
                          request_timeout=20).info()
            found.append(url)
        except Exception as problem:
            print("not reached:", url, type(problem).__name__)
    return found


def license(kind, **more):
    spec = {
        "uid": more.pop("uid", f"uid-{kind}-{__versionstr__}"),
        "type": kind,
        "issue_date_in_millis": NOW - DAY,
        "expiry_date_in_millis": NOW + 365 * DAY,
        "issued_to": "Häfen & Söhne <GmbH>",
        "issuer": "the independent issuer",
    }
    spec["max_resource_units" if kind == "enterprise" else "max_nodes"] = 50
    version = more.pop("version", 5)
    spec.update(more)
    return elastic_sign.document(KEY, spec, version)["license"]


def refused(call, kind, error, text):
    try:
        call()
    except kind as problem:
        assert problem.error == error, problem.body
        reason = problem.body["error"]["root_cause"][0]["reason"]
        assert text in reason, reason
        return
    raise AssertionError(f"no {kind.__name__}")


def everywhere(nodes, check):
    """What one node was told, every other one answers, too."""
    for url in nodes:
        check(client([url]))


def main():
    nodes = living()
    assert len(nodes) >= 2, nodes
    es = client()
    major = int(__versionstr__.split(".")[0])

    info = es.info()
    assert info["tagline"] == "You Know, for Search" and info["version"]["number"].startswith("9.")
    assert info["cluster_uuid"] and es.ping()

    es.license.delete()
    first = es.license.get()["license"]
    assert first["type"] == "basic" and first["status"] == "active" and len(first) == 10, first
    assert es.license.delete()["acknowledged"] is True
    everywhere(nodes, lambda one: check_equal(one.license.get()["license"]["uid"], first["uid"]))
    assert es.license.get_basic_status()["eligible_to_start_basic"] is False

    platinum = license("platinum")
    answer = es.license.post(license=platinum)
    assert answer.body == {"acknowledged": True, "license_status": "valid"}, answer.body
    for url in nodes:
        seen = client([url]).license.get()["license"]
        assert (seen["uid"], seen["type"], seen["max_nodes"], len(seen)) == (platinum["uid"], "platinum", 50, 12), seen
        assert seen["issued_to"] == platinum["issued_to"] and "signature" not in seen
    assert len(es.license.get(human=True)["license"]) == 13
    assert es.license.get(filter_path="license.type").body == {"license": {"type": "platinum"}}

    for at in range(0, len(platinum["signature"]), 37):
        letters = list(platinum["signature"])
        letters[at] = "A" if letters[at] != "A" else "B"
        forged = {**platinum, "uid": platinum["uid"], "signature": "".join(letters)}
        try:
            status = es.license.post(license=forged, acknowledge=True).body["license_status"]
            magic = 8 * 4 // 3 <= at <= 21 * 4 // 3 + 1
            assert status == "invalid" or magic, (at, status)
        except BadRequestError as problem:
            assert problem.error == "parse_exception", problem.body
    tampered = {**platinum, "max_nodes": 51}
    assert es.license.post(license=tampered, acknowledge=True).body == {"acknowledged": True, "license_status": "invalid"}
    assert es.license.get()["license"]["max_nodes"] == 50

    expired = license("gold", expiry_date_in_millis=NOW - 1000)
    assert es.license.post(license=expired, acknowledge=True)["license_status"] == "expired"
    early = license("gold", start_date_in_millis=NOW + DAY)
    assert es.license.post(license=early, acknowledge=True)["license_status"] == "invalid"
    assert es.license.get()["license"]["type"] == "platinum"

    gold = license("gold")
    answer = es.license.post(licenses=[gold]).body
    assert answer["acknowledged"] is False and answer["license_status"] == "valid", answer
    assert "acknowledge=true" in answer["acknowledge"]["message"] and answer["acknowledge"]["security"], answer
    assert es.license.get()["license"]["type"] == "platinum"
    assert es.license.post(licenses=[gold], acknowledge=True, timeout="30s", master_timeout="30s")["license_status"] == "valid"
    for version in (2, 3, 4):
        old = license("silver", uid=f"v{version}-{__versionstr__}", version=version)
        answer = es.license.post(licenses=[old], acknowledge=True).body
        assert answer == {"acknowledged": True, "license_status": "valid"}, (version, answer)
    two = [license("gold", uid="dead", expiry_date_in_millis=NOW - 1), license("gold", uid=f"alive-{__versionstr__}")]
    assert es.license.post(licenses=two, acknowledge=True)["license_status"] == "valid"
    assert es.license.get()["license"]["uid"] == f"alive-{__versionstr__}"

    enterprise = license("enterprise")
    assert es.license.post(license=enterprise)["license_status"] == "valid"
    seen = es.license.get()["license"]
    assert (seen["max_nodes"], seen["max_resource_units"], len(seen)) == (None, 50, 12), seen
    pack = es.xpack.info(categories=["license"])
    assert pack["license"]["mode"] == "enterprise" and pack["license"]["type"] == "enterprise", pack
    if major == 8:
        refused(lambda: es.license.get(accept_enterprise=False), BadRequestError, "illegal_argument_exception", "may not be false")
        assert es.license.get(accept_enterprise=True)["license"]["type"] == "enterprise"

    basic = es.license.post_start_basic().body
    assert basic["acknowledged"] is False and basic["basic_was_started"] is False and basic["acknowledge"]["ml"], basic
    assert es.license.get_basic_status()["eligible_to_start_basic"] is True
    assert es.license.post_start_basic(acknowledge=True).body == {"acknowledged": True, "basic_was_started": True}
    try:
        es.license.post_start_basic()
        raise AssertionError("no 403")
    except AuthorizationException as problem:
        assert problem.body["acknowledged"] is True and problem.body["basic_was_started"] is False, problem.body

    if os.environ["QM_TRIAL"] == "left":
        assert es.license.get_trial_status()["eligible_to_start_trial"] is True
        asked = es.license.post_start_trial().body
        assert asked["acknowledged"] is False and asked["trial_was_started"] is False, asked
        started = es.license.post_start_trial(acknowledge=True).body
        assert started == {"acknowledged": True, "trial_was_started": True, "type": "trial"}, started
        assert es.license.get()["license"]["type"] == "trial"
        es.license.delete()
    everywhere(nodes, lambda one: check_equal(one.license.get_trial_status()["eligible_to_start_trial"], False))
    try:
        es.license.post_start_trial(acknowledge=True)
        raise AssertionError("no 403")
    except AuthorizationException as problem:
        assert problem.body["trial_was_started"] is False, problem.body
    refused(lambda: es.options().perform_request("POST", "/_license/start_trial?type=basic&acknowledge=true",
            headers={"accept": "application/json"}), BadRequestError, "illegal_argument_exception", "Cannot start trial")

    refused(lambda: es.license.post(acknowledge=True), BadRequestError, "illegal_argument_exception", "must be provided")
    refused(lambda: es.license.post(license={**gold, "type": "diamond"}), BadRequestError,
            "illegal_argument_exception", "unknown license type [diamond]")
    refused(lambda: es.license.post(license={**gold, "signature": "xx"}), BadRequestError, "parse_exception",
            "malformed signature")
    refused(lambda: es.license.post(license=gold, timeout="7"), BadRequestError, "illegal_argument_exception",
            "unit is missing or unrecognized")

    wrong = client(basic_auth=(os.environ["QM_USER"], "no"))
    try:
        wrong.info()
        raise AssertionError("no 401")
    except AuthenticationException as problem:
        assert problem.error == "security_exception", problem.body
    for key in (("any", os.environ["QM_TOKEN"]), os.environ["QM_TOKEN"]):
        assert client(api_key=key).license.get()["license"]["type"] == "basic"
    assert client(bearer_auth=os.environ["QM_TOKEN"]).info()["cluster_name"] == info["cluster_name"]

    # the client looks for nodes without its own credentials: those of the node's configuration go along
    pair = base64.b64encode(f"{os.environ['QM_USER']}:{os.environ['QM_PASSWORD']}".encode()).decode()
    seed = url_to_node_config(nodes[0]).replace(headers=HttpHeaders({"authorization": f"Basic {pair}"}))
    sniffed = Elasticsearch([seed], sniff_on_start=True, request_timeout=20, max_retries=5, retry_on_timeout=True)
    known = {f"{node.config.host}:{node.config.port}" for node in sniffed.transport.node_pool.all()}
    assert known >= {url.split("://")[1] for url in URLS}, known
    for _ in range(6):
        assert sniffed.info()["cluster_uuid"] == info["cluster_uuid"]

    everywhere(nodes, lambda one: check_equal(one.license.get().body, es.license.get().body))
    print(json.dumps({"client": __versionstr__, "nodes": len(nodes)}))


def check_equal(found, wanted):
    assert found == wanted, (found, wanted)


main()
