#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""Calls a DeepSeek model and logs each call, without the key."""
import json
import os
import sys
import urllib.error
import urllib.request

BASE = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"].rstrip("/")
KEY = os.environ["DEEPSEEK_API_KEY"]


def log(line):
    with open("calls.log", "a") as file:
        file.write(json.dumps(line).replace(KEY, "***") + "\n")


body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello in one short sentence."}]}
headers = {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"}
request = urllib.request.Request(BASE + "/chat/completions", data=json.dumps(body).encode(), headers=headers)
line = {"path": "/chat/completions", "headers": headers, "body": body}
try:
    with urllib.request.urlopen(request, timeout=20) as answer:
        log({**line, "status": answer.status})
        print(json.load(answer)["choices"][0]["message"]["content"])
except urllib.error.HTTPError as error:
    log({**line, "status": error.code})
    sys.exit(f"error: the API answered {error.code}")
except OSError as error:
    log({**line, "status": None})
    sys.exit(f"error: the API can't be reached: {type(error).__name__}")
PROGRAM

python3 app.py
cat calls.log
