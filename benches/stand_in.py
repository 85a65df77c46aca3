"""One server for GitHub, AWS Systems Manager and Cloudflare: enough to write secrets to, and it counts.

`python3 stand_in.py` prints the port it listens on, on 127.0.0.1. `POST /__reset` with a JSON object starts a new count
(`delay`: seconds each answer takes; `refuse_after`: writes after which it refuses; `refuse_for`: for how many seconds;
`keep`: whether what was written stays), `GET /__counts` tells it. It ends when its standard input does.
"""

import hashlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

# The public key of RFC 7748, section 6.1: nobody has to open what is sealed here.
PUBLIC_KEY = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="


class World:
    """What was written, and what it took."""

    def __init__(self):
        self.lock = threading.Lock()
        self.stored = {}
        self.version = 0
        self.reset({})

    def reset(self, wanted):
        with self.lock:
            self.delay = wanted.get("delay", 0)
            self.refuse_after = wanted.get("refuse_after")
            self.refuse_for = wanted.get("refuse_for", 0)
            self.refuse_until = None
            self.requests = self.reads = self.writes = self.refused = self.in_flight = self.peak = 0
            self.unexpected = []
            if not wanted.get("keep"):
                self.stored.clear()

    def begin(self):
        with self.lock:
            self.requests += 1
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)

    def end(self):
        with self.lock:
            self.in_flight -= 1

    def refuses(self):
        """Whether this write falls into the time in which all are refused; it is counted one way or the other."""
        with self.lock:
            if self.refuse_after is not None and self.writes >= self.refuse_after:
                now = time.monotonic()
                self.refuse_until = self.refuse_until or now + self.refuse_for
                if now < self.refuse_until:
                    self.refused += 1
                    return True
            self.writes += 1
            return False

    def put(self, place, name, text):
        with self.lock:
            there = name in self.stored.setdefault(place, {})
            self.version += 1
            count = self.stored[place].get(name, {}).get("count", 0) + 1
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self.stored[place][name] = {"digest": digest(text), "when": when, "count": count}
            return there, count

    def remove(self, place, name):
        with self.lock:
            self.version += 1
            return self.stored.get(place, {}).pop(name, None) is not None

    def listed(self, place):
        with self.lock:
            return sorted((name, dict(kept)) for name, kept in self.stored.get(place, {}).items())

    def counts(self):
        with self.lock:
            keys = {place: sorted(kept) for place, kept in self.stored.items()}
            return {
                "requests": self.requests, "reads": self.reads, "writes": self.writes, "refused": self.refused,
                "peak": self.peak, "keys": keys, "unexpected": self.unexpected,
            }


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # A client that opens 100 connections at once is not held up here.
    request_queue_size = 256


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def any(self):
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        address = urlsplit(self.path)  # A proxy's client sends the whole address.
        self.query = parse_qs(address.query)
        path = unquote(address.path)
        if path.startswith("/__"):
            return self.control(path)
        WORLD.begin()
        try:
            time.sleep(WORLD.delay)
            status, headers, answer = self.route(path)
        finally:
            WORLD.end()
        self.answer(status, answer, headers)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = any

    def control(self, path):
        if path == "/__reset":
            WORLD.reset(json.loads(self.body or b"{}"))
        self.answer(200, WORLD.counts(), {})

    def answer(self, status, body, headers):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        if data:
            self.send_header("content-type", "application/json")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def route(self, path):
        target = self.headers.get("x-amz-target", "")
        if target.startswith("AmazonSSM."):
            return self.systems_manager(target.removeprefix("AmazonSSM."))
        path = path.removeprefix("/api/v3")
        found = re.fullmatch(r"/repos/([^/]+/[^/]+)/actions/secrets(?:/([^/]+))?", path)
        if found:
            return self.github(found[1], found[2])
        found = re.fullmatch(r"(?:/client/v4)?/accounts/([^/]+)/workers/scripts/([^/]+)/(secrets|secrets-bulk)", path)
        if found:
            return self.cloudflare(f"{found[1]}/{found[2]}", found[3])
        return self.unknown(path)

    def unknown(self, what):
        with WORLD.lock:
            WORLD.unexpected.append(f"{self.command} {what}")
        return 404, {}, {"message": "Not Found"}

    def read(self):
        with WORLD.lock:
            WORLD.reads += 1

    def github(self, repo, name):
        if self.command == "GET" and name == "public-key":
            self.read()
            return 200, {}, {"key_id": "1", "key": PUBLIC_KEY}
        if self.command == "GET" and name is None:
            return self.github_list(repo)
        if self.command in ("PUT", "DELETE") and name:
            if WORLD.refuses():
                message = "You have exceeded a secondary rate limit."
                return 403, {"retry-after": "1"}, {"message": message}
            if self.command == "DELETE":
                return (204, {}, None) if WORLD.remove(repo, name) else (404, {}, {"message": "Not Found"})
            there, _ = WORLD.put(repo, name.upper(), json.loads(self.body)["encrypted_value"])
            return (204, {}, None) if there else (201, {}, {})
        return self.unknown(f"github {name}")

    def github_list(self, repo):
        self.read()
        tag = f'"{WORLD.version}"'
        if self.headers.get("if-none-match") == tag:
            return 304, {"etag": tag}, None
        size, page = int(self.query.get("per_page", ["30"])[0]), int(self.query.get("page", ["1"])[0])
        kept = WORLD.listed(repo)
        shown = [
            {"name": name, "created_at": entry["when"], "updated_at": entry["when"]}
            for name, entry in kept[(page - 1) * size : page * size]
        ]
        return 200, {"etag": tag}, {"total_count": len(kept), "secrets": shown}

    def systems_manager(self, action):
        body, place = json.loads(self.body or b"{}"), "ssm"
        if action in ("PutParameter", "DeleteParameter", "DeleteParameters"):
            if WORLD.refuses():
                return 400, {}, {"__type": "ThrottlingException", "message": "Rate exceeded"}
            if action == "PutParameter":
                _, count = WORLD.put(place, body["Name"], body["Value"])
                return 200, {}, {"Version": count, "Tier": "Standard"}
            names = body.get("Names", [body.get("Name")])
            gone = [name for name in names if WORLD.remove(place, name)]
            return 200, {}, {"DeletedParameters": gone, "InvalidParameters": [n for n in names if n not in gone]}
        self.read()
        kept = WORLD.listed(place)
        if action == "GetParametersByPath":
            kept = [(name, entry) for name, entry in kept if name.startswith(body["Path"].rstrip("/") + "/")]
        elif action in ("GetParameter", "GetParameters"):
            wanted = body.get("Names", [body.get("Name")])
            kept = [(name, entry) for name, entry in kept if name in wanted]
        elif action != "DescribeParameters":
            return self.unknown(action)
        if action == "GetParameter":
            return (200, {}, {"Parameter": parameter(*kept[0])}) if kept else (400, {}, {"__type": "ParameterNotFound"})
        first = int(body.get("NextToken") or 0)
        size = int(body.get("MaxResults") or (50 if action == "DescribeParameters" else 10))
        answer = {"Parameters": [parameter(*entry) for entry in kept[first : first + size]]}
        if len(kept) > first + size:
            answer["NextToken"] = str(first + size)
        return 200, {}, answer

    def cloudflare(self, worker, what):
        if self.command == "GET" and what == "secrets":
            self.read()
            return 200, {}, enveloped([{"name": name, "type": "secret_text"} for name, _ in WORLD.listed(worker)])
        body = json.loads(self.body or b"{}")
        if self.command == "PATCH" and what == "secrets-bulk":
            changes = body["secrets"]
        elif self.command == "PUT" and what == "secrets":
            changes = {body["name"]: body}
        else:
            return self.unknown(f"cloudflare {what}")
        if WORLD.refuses():
            fault = {"code": 971, "message": "Please wait and consider throttling your request speed"}
            return 429, {"retry-after": "1"}, {"success": False, "errors": [fault], "messages": [], "result": None}
        for name, change in changes.items():
            if change is None:
                WORLD.remove(worker, name)
            else:
                WORLD.put(worker, name, change["text"])
        return 200, {}, enveloped([{"name": name, "type": "secret_text"} for name, _ in WORLD.listed(worker)])


def enveloped(result):
    return {"success": True, "errors": [], "messages": [], "result": result}


def parameter(name, entry):
    """Without its value: nobody here looks at one."""
    kind = {"Name": name, "Type": "SecureString", "Value": "x", "Version": entry["count"], "DataType": "text"}
    return kind | {"LastModifiedDate": 1767225600.0}


WORLD = World()

if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
