#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""Asks for a JSON object and prints one field of it."""
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


try:
    reply = post("/chat/completions", {
        "model": "deepseek-chat",
        "messages": [
            {"role": "system", "content": 'Answer with a JSON object like {"reply": "a greeting", "code": "your code"}.'},
            {"role": "user", "content": "Greet me."},
        ],
        "response_format": {"type": "json_object"},
    })
    found = json.loads(reply["choices"][0]["message"]["content"])
    print(f"code: {found['code']}")
except (ValueError, KeyError, TypeError):
    sys.exit("error: the model's reply is not the JSON object that was asked for")
PROGRAM

python3 app.py
