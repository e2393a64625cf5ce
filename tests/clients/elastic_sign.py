"""Signs a license in Elasticsearch's layout with openssl alone: an issuer that shares no code with the one under test.

Usage: elastic_sign.py PRIVATE_KEY_PEM SPEC_JSON [VERSION]; the document goes to standard output.
"""

import base64
import hashlib
import json
import os
import struct
import subprocess
import sys
import tempfile


def canonical(spec, version):
    """The text that is signed: compact, in the product's order."""
    fields = ["uid", "type", "issue_date_in_millis"]
    if "expiry_date_in_millis" in spec:
        fields.append("expiry_date_in_millis")
    fields.append("max_nodes")
    if version >= 5:
        fields.append("max_resource_units")
    fields += ["issued_to", "issuer"]
    if version >= 3:
        fields.append("start_date_in_millis")
    members = {name: spec.get(name, -1 if name == "start_date_in_millis" else None) for name in fields}
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *arguments], input=given, check=True, capture_output=True).stdout


def sign(key, spec, version):
    public = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
    with tempfile.NamedTemporaryFile() as message:
        message.write(canonical(spec, version))
        message.flush()
        signature = openssl("dgst", "-sha512", "-sign", key, message.name)
    fingerprint = hashlib.sha256(public).digest() if version >= 4 else base64.b64encode(os.urandom(304))
    blob = struct.pack(">i", version)
    for part in (os.urandom(13), fingerprint, signature):
        blob += struct.pack(">i", len(part)) + part
    return base64.b64encode(blob).decode()


def document(key, spec, version=5):
    spec = {"start_date_in_millis": -1, **spec}
    return {"license": {**spec, "signature": sign(key, spec, version)}}


if __name__ == "__main__":
    chosen = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    print(json.dumps(document(sys.argv[1], json.loads(sys.argv[2]), chosen), ensure_ascii=False))
