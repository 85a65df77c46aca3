"""Writes the same secrets with infra-sdk and with its peers, each to the stand-in, and prints what it took as JSON.

`python3 secrets_peers.py FOLDER PROGRAMS KEYS`: an empty folder to work in; a JSON object from each program's name to
its command line (a list; what is not in it is not measured); how many secrets. Each program runs three times: with nothing
there, again with nothing changed, and with a service that refuses writes for two seconds after three fifths of them.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import stand_in

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
# How long a request takes, in seconds: a service on another continent.
DELAY = 0.05

# As people write it into a CI step; such a step ends at the first failure.
GH_LOOP = 'set -e; while IFS== read -r k v; do printf %s "$v" | "$@" secret set "$k" -R github.localhost/acme/shop; done < secrets.env'
AWS_LOOP = (
    'set -e; while IFS== read -r k v; do "$@" ssm put-parameter --name "/shop/$k" --value "$v" '
    "--type SecureString --overwrite; done < secrets.env"
)
BOTO3_LOOP = """
import boto3
ssm = boto3.client("ssm")
for line in open("secrets.env"):
    name, _, value = line.rstrip().partition("=")
    ssm.put_parameter(Name=f"/shop/{name}", Value=value, Type="SecureString", Overwrite=True)
"""


def jobs(programs):
    """What is measured: store, program, command line."""

    def shell(script, program):
        return ["sh", "-c", script, "sh", *programs[program]]

    ours = ["secrets.env", "state"]
    for store, program, needs, command in [
        ("github", "infra-sdk", "ours", lambda: [*programs["ours"], "github", *ours]),
        ("github", "infra-sdk, 20 a second", "ours", lambda: [*programs["ours"], "github", *ours, "20"]),
        ("github", "gh secret set -f", "gh", lambda: [*programs["gh"], "secret", "set", "-f", "secrets.env", "-R", "github.localhost/acme/shop"]),
        ("github", "gh in a loop", "gh", lambda: shell(GH_LOOP, "gh")),
        ("ssm", "infra-sdk", "ours", lambda: [*programs["ours"], "ssm", *ours]),
        ("ssm", "infra-sdk, 20 a second", "ours", lambda: [*programs["ours"], "ssm", *ours, "20"]),
        ("ssm", "aws in a loop", "aws", lambda: shell(AWS_LOOP, "aws")),
        ("ssm", "boto3 in a loop", "boto3", lambda: [*programs["boto3"], "-c", BOTO3_LOOP]),
        ("worker", "infra-sdk", "ours", lambda: [*programs["ours"], "worker", *ours]),
        ("worker", "wrangler secret bulk", "wrangler", lambda: [*programs["wrangler"], "secret", "bulk", "secrets.json", "--name", "shop"]),
    ]:
        yield store, program, command() if programs.get(needs) else None


def environment(folder, port):
    url = f"http://127.0.0.1:{port}"
    return {
        "PATH": os.environ["PATH"], "HOME": str(folder), "CI": "1", "NO_COLOR": "1",
        "GH_HOST": "github.localhost", "GH_TOKEN": "t", "GH_ENTERPRISE_TOKEN": "t", "HTTP_PROXY": url,
        "GITHUB_API_URL": url, "GITHUB_TOKEN": "t",
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1", "CLOUDFLARE_API_BASE_URL": f"{url}/client/v4", "CLOUDFLARE_API_TOKEN": "t",
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT, "WRANGLER_SEND_METRICS": "false", "WRANGLER_SEND_ERROR_REPORTS": "false",
    }


def prepare(folder, keys):
    """The same secrets in both forms, and no state."""
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(parents=True)
    secrets = {f"KEY_{n:03}": f"value-{n}-of-nobody" for n in range(keys)}
    (folder / "secrets.env").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    (folder / "secrets.json").write_text(json.dumps(secrets))


def run(command, folder, port, wanted):
    """One run, and what it took."""
    stand_in.WORLD.reset({"delay": DELAY} | wanted)
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment(folder, port), stdin=subprocess.DEVNULL, capture_output=True)
    took = time.monotonic() - began
    counts = stand_in.WORLD.counts()
    if counts["unexpected"]:
        sys.exit(f"{command} asked for what the stand-in does not have: {counts['unexpected']}")
    stored = sum(len(names) for names in counts.pop("keys").values())
    said = (done.stdout + done.stderr).decode(errors="replace")
    return {**counts, "seconds": took, "code": done.returncode, "stored": stored, "said": said}


def measure(command, folder, port, keys):
    prepare(folder, keys)
    first = run(command, folder, port, {})
    again = run(command, folder, port, {"keep": True})
    for result in (first, again):
        if result["code"] != 0 or result["stored"] != keys:
            sys.exit(f"{command} ended with {result['code']} and {result['stored']} secrets:\n{result['said']}")
    prepare(folder, keys)
    refused = run(command, folder, port, {"refuse_after": keys * 3 // 5, "refuse_for": 2})
    return {"first": first, "again": again, "refused": refused, "lost": keys - refused["stored"]}


def main():
    folder, programs, keys = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
    server = stand_in.Server(("127.0.0.1", 0), stand_in.Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = []
    for store, program, command in jobs(programs):
        row = {"store": store, "program": program, "measured": None}
        if command:
            row["measured"] = measure(command, folder, server.server_address[1], keys)
            for result in row["measured"].values():
                if isinstance(result, dict):
                    del result["said"]
        rows.append(row)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
