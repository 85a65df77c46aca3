"""Reads the same parameters with infra-sdk and with its peers from one emulator, and prints what it took as JSON.

`python3 refs_peers.py FOLDER PROGRAMS COUNT ROUNDS`, run by the Python that has moto: an empty folder to work in; a JSON
object from each program's name to its command line (a list; what is not in it is not measured); how many parameters; how
often each program runs, of which the fastest counts. The emulator runs in this process and counts what it is asked.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

# How long a request takes beside the emulator's own work, in seconds: nothing, and the same region over a network.
DELAYS = [0, 0.02]
# `aws` reads one parameter with each start: a few are measured, and the rest is as many times as much.
LOOPED = 20

BOTO3 = """
import sys, boto3
ssm = boto3.client("ssm")
names = [f"/bench/tree/value-{at:04}" for at in range(int(sys.argv[1]))]
found = {}
for at in range(0, len(names), 10):
    for parameter in ssm.get_parameters(Names=names[at:at + 10], WithDecryption=True)["Parameters"]:
        found[parameter["Name"]] = parameter["Value"]
print(len(found))
"""
AWS_LOOP = (
    'set -e; n=0; while [ $n -lt $0 ]; do '
    '"$@" ssm get-parameter --name "/bench/tree/value-$(printf %04d $n)" --with-decryption --query Parameter.Value '
    "--output text > value; n=$((n + 1)); done; echo $n"
)


class Counted:
    """The emulator, with every request counted."""

    def __init__(self):
        self.inner = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.delay = 0
        self.reset()

    def reset(self):
        with self.lock:
            self.calls, self.now, self.peak, self.first, self.last = 0, 0, 0, None, None

    def __call__(self, environ, start_response):
        with self.lock:
            self.calls += 1
            self.now += 1
            self.peak = max(self.peak, self.now)
            self.first = self.first or time.monotonic()
        try:
            time.sleep(self.delay)
            return self.inner(environ, start_response)
        finally:
            with self.lock:
                self.now -= 1
                self.last = time.monotonic()


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_):
        pass


def run(command, folder, port, wanted):
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1",
    }
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    took = time.monotonic() - began
    if done.returncode != 0 or done.stdout.decode().strip() != str(wanted):
        sys.exit(f"{command[:2]} did not read {wanted}:\n{(done.stdout + done.stderr).decode(errors='replace')}")
    return took


def main():
    folder, programs = Path(sys.argv[1]), json.loads(sys.argv[2])
    count, rounds = int(sys.argv[3]), int(sys.argv[4])
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(parents=True)
    app = Counted()
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_port
    run([*programs["ours"], "publish", str(count)], folder, port, count)
    jobs = [
        ("infra-sdk, a tree by its contract", [*programs["ours"], "read", str(count)], count),
        ("boto3, ten names a call", [*programs["boto3"], "-c", BOTO3, str(count)], count),
    ]
    if programs.get("aws"):
        jobs.append(("aws in a loop", ["sh", "-c", AWS_LOOP, str(LOOPED), *programs["aws"]], LOOPED))
    rows = []
    for program, command, read in jobs:
        row = {"program": program, "read": read, "of": count, "runs": []}
        for delay in DELAYS:
            app.delay = delay
            best = None
            # Starting aws takes long enough to be measured once.
            for _ in range(rounds if read == count else 1):
                app.reset()
                took = run(command, folder, port, read)
                asked = app.last - app.first
                found = {"delay": delay, "calls": app.calls, "peak": app.peak, "seconds": took, "asking": asked}
                best = min(best or found, found, key=lambda it: it["seconds"])
            row["runs"].append(best)
        rows.append(row)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
