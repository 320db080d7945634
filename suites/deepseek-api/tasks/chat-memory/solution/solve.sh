#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""A talk over many turns: every line of standard input is one message."""
import json
import os
import sys
import urllib.error
import urllib.request

BASE = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"].rstrip("/")
KEY = os.environ["DEEPSEEK_API_KEY"]


def post(path, body):
    """The answer as JSON; an error of the API ends the program with one line."""
    request = urllib.request.Request(
        BASE + path,
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"error: the API answered {error.code}")
    except OSError as error:
        sys.exit(f"error: the API can't be reached: {error}")


messages = []
for line in sys.stdin:
    if not line.strip():
        continue
    messages.append({"role": "user", "content": line.strip()})
    reply = post("/chat/completions", {"model": "deepseek-chat", "messages": messages})
    message = reply["choices"][0]["message"]
    messages.append({"role": "assistant", "content": message["content"]})
    print(message["content"], flush=True)
PROGRAM

printf 'Remember the word amber.\nWhich word was it?\n' | python3 app.py
