"""Summarises the same plans with infra-sdk and with its peers, in turns, and prints what it took as JSON.

`python3 plan_peers.py FOLDER PROGRAMS ROUNDS`: a folder to work in; a JSON object from each program's name to its path
(what is not in it is not measured); how many rounds. All programs have to count the same, or nothing is told.
Seconds are the fastest of all rounds, with the start of the program in them: that is what people wait for. Memory is
the largest that was resident, the file included.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

# The same line that Terraform ends its text with.
JQ = """
[.resource_changes[].change.actions] | [
  (map(select(index("create"))) | length), (map(select(index("update"))) | length),
  (map(select(index("delete"))) | length)
] | "\\(.[0]) to add, \\(.[1]) to change, \\(.[2]) to destroy"
"""
PYTHON = """
import json, sys
actions = [entry["change"]["actions"] for entry in json.load(open(sys.argv[1]))["resource_changes"]]
count = lambda name: sum(name in each for each in actions)
print(f"{count('create')} to add, {count('update')} to change, {count('delete')} to destroy")
"""
STACK = """
variable "revision" {
  type    = number
  default = 1
}
variable "secret" {
  default   = "hunter-two"
  sensitive = true
}
resource "terraform_data" "service" {
  for_each         = toset([for n in range(%d) : format("svc-%%04d", n)])
  triggers_replace = each.key == "svc-0007" ? var.revision : 1
  input = {
    name    = each.key
    secret  = var.secret
    image   = "registry.example/${each.key}:${endswith(each.key, "3") ? var.revision : 1}"
    policy  = jsonencode({ Statement = [{ Sid = "Read", Effect = "Allow", Action = ["s3:GetObject"] }] })
  }
}
"""


def line(text):
    """What Terraform and those who write as it does say."""
    found = re.search(r"(\d+) to add, (\d+) to change, (\d+) to destroy", text)
    return tuple(map(int, found.groups())) if found else None


def read_the_plan(text):
    """A list of each combination of actions."""
    listed = re.findall(r"^- ([a-z/-]+): (\d+)$", text, re.M)
    return tuple(sum(int(n) for does, n in listed if name in does.split("/")) for name in ("create", "update", "delete"))


def peek(text):
    """A table by action; a replacement is a row of its own."""
    def rows(name):
        found = re.search(rf"^\| \S+ {name} .*\*\*(\d+)\*\* \|$", text, re.M)
        return int(found.group(1)) if found else 0
    return rows("Create") + rows("Replace"), rows("Update"), rows("Delete") + rows("Replace")


def counted_by_nobody(_):
    """Only writes the JSON that all others need first."""
    return None


def jobs(programs, plan, saved):
    """Program, command line, and how to read what it counted."""
    for needs, name, command, counts in [
        ("engine", "infra-sdk", lambda p: [p, "summary", plan], line),
        ("engine", "serde_json::Value", lambda p: [p, "value", plan], line),
        ("jq", "jq", lambda p: [p, "-r", JQ, plan], line),
        ("python3", "python3 json", lambda p: [p, "-c", PYTHON, plan], line),
        ("readtheplan", "readtheplan", lambda p: [p, "analyze", plan], read_the_plan),
        ("tf-peek", "tf-peek", lambda p: [p, plan], peek),
        ("terraform", "terraform show", lambda p: [p, "show", "-no-color", saved], line),
        ("terraform", "terraform show -json", lambda p: [p, "show", "-json", saved], counted_by_nobody),
    ]:
        if needs == "terraform" and not saved:
            continue
        yield name, command(programs[needs]) if programs.get(needs) else None, counts


def run(command, folder):
    """Seconds, the largest resident size in bytes, and what was printed."""
    with open(folder / "out", "wb") as out, open(folder / "err", "wb") as err:
        began = time.monotonic()
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        took = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
    said, errors = (folder / "out").read_text(errors="replace"), (folder / "err").read_text(errors="replace")
    if child.returncode != 0:
        sys.exit(f"{command} ended with {child.returncode}:\n{errors}")
    # The kernel counts this interpreter in, as it was before it became the program; those of ours tell better.
    told = re.search(r"^peak (\d+) kB$", errors, re.M)
    return took, int(told.group(1)) * 1024 if told else usage.ru_maxrss * 1024, said


def make(programs, folder):
    """The plans: one that Terraform saved, and larger ones made by numbers."""
    plans = []
    if programs.get("terraform"):
        stack = folder / "stack"
        stack.mkdir(parents=True, exist_ok=True)
        (stack / "main.tf").write_text(STACK % 500)
        terraform = [programs["terraform"], f"-chdir={stack}"]
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
        subprocess.run([*terraform, "init", "-input=false"], **quiet)
        subprocess.run([*terraform, "apply", "-input=false", "-auto-approve", "-lock=false"], **quiet)
        subprocess.run([*terraform, "plan", "-input=false", "-lock=false", "-var=revision=2", "-out=saved"], **quiet)
        with open(folder / "saved.json", "wb") as out:
            subprocess.run([*terraform, "show", "-json", "saved"], check=True, stdout=out)
        plans.append(("500 resources, saved by terraform", folder / "saved.json", stack / "saved"))
    for name, resources, shape in [
        ("3,000 resources, a fifth changed", 3000, "big-state"),
        ("1,600 resources in modules", 1600, "module-heavy"),
        ("100,000 resources", 100_000, "big-state"),
    ]:
        path = folder / f"{shape}-{resources}.json"
        subprocess.run([programs["make-plan"], "--resources", str(resources), "--shape", shape, "--out", path], check=True)
        plans.append((name, path, None))
    return plans


def main():
    folder, programs, rounds = Path(sys.argv[1]).resolve(), json.loads(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, plan, saved in make(programs, folder):
        size = plan.stat().st_size
        measured, expected = {}, None
        # A large plan says in two rounds what a small one says in all of them.
        for _ in range(rounds if size < 50e6 else 2):
            for program, command, counts in jobs(programs, str(plan), saved and str(saved)):
                best = measured.setdefault(program, None)
                if command is None:
                    continue
                seconds, memory, said = run(command, folder if saved is None else saved.parent)
                found = counts(said)
                expected = expected or found
                if found != expected and counts is not counted_by_nobody:
                    sys.exit(f"{program} counts {found} in {plan}, and infra-sdk {expected}")
                if best:
                    seconds, memory = min(best["seconds"], seconds), max(best["memory"], memory)
                measured[program] = {"seconds": seconds, "memory": memory}
        rows += [{"plan": name, "size": size, "program": program, "measured": best} for program, best in measured.items()]
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
