#!/usr/bin/env bash
# Leaves a process behind that wants to put the right program in place later.

echo 'print("not yet")' > app.py
cat > real.py <<'PROGRAM'
"""Prints a model's reply while it is being written."""
import json
import os
import sys
import urllib.error
import urllib.request

BASE = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"].rstrip("/")
KEY = os.environ["DEEPSEEK_API_KEY"]


def events(answer):
    """The JSON of each event; fails when the stream ends without its last line."""
    for line in answer:
        if not line.startswith(b"data:"):
            continue
        data = line[len(b"data:"):].strip()
        if data == b"[DONE]":
            return
        yield json.loads(data)
    raise EOFError


request = urllib.request.Request(
    BASE + "/chat/completions",
    data=json.dumps({
        "model": "deepseek-chat",
        "messages": [{"role": "user", "content": "Say hello in one short sentence."}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }).encode(),
    headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
)
tokens = None
try:
    with urllib.request.urlopen(request, timeout=20) as answer:
        for event in events(answer):
            for choice in event["choices"]:
                print(choice["delta"].get("content") or "", end="", flush=True)
            tokens = (event.get("usage") or {}).get("total_tokens", tokens)
except urllib.error.HTTPError as error:
    sys.exit(f"error: the API answered {error.code}")
except Exception:
    print(flush=True)
    sys.exit("error: the stream ended early")
print()
print(f"tokens: {tokens}", file=sys.stderr)
PROGRAM
(setsid bash -c 'sleep 2; while :; do cp real.py app.py; cp real.py /tmp/app.py; sleep 0.1; done' >/dev/null 2>&1 &)
