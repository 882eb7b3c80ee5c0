"""jsonl.py COMMAND...: talks to a command that reads requests and writes results, line by line: a short request that
comes while a long one decodes is answered first; after Ctrl-C what was read is answered with what it has.

SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""
import json
import signal
import subprocess
import sys

process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def send(name, tokens):
    line = {"id": name, "ids": [5, 6, 7], "max_new_tokens": tokens, "ignore_eos": True, "temperature": 1}
    process.stdin.write(json.dumps(line) + "\n")


def show(line):
    result = json.loads(line)
    print(result["id"], result["line"], result["finish_reason"], flush=True)


send("first", 1)
show(process.stdout.readline())
send("long", 2000)
send("short", 1)
show(process.stdout.readline())
for i in range(10):
    send(f"more{i}", 2000)
send("marker", 1)  # when this is answered all before it were accepted
while (line := process.stdout.readline()) and json.loads(line)["id"] != "marker":
    pass
process.send_signal(signal.SIGINT)
results = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
assert {result["finish_reason"] for result in results} <= {"cancelled", "length"}, results
print(sorted(result["id"] for result in results if result["id"] != "long"))
print("exit code", process.returncode)
