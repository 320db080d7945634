#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""Fills the gap in a file."""
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


with open(sys.argv[1], newline="") as file:
    before, mark, after = file.read().partition("<FILL>")
if not mark:
    sys.exit(f"error: {sys.argv[1]} has no <FILL>")
reply = post("/beta/completions", {"model": "deepseek-chat", "prompt": before, "suffix": after, "max_tokens": 200})
sys.stdout.write(before + reply["choices"][0]["text"] + after)
PROGRAM

python3 app.py part.py
