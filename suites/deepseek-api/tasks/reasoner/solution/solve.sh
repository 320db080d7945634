#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""Two questions to a reasoning model: thoughts to standard error, answers to standard output."""
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
for question in sys.argv[1:3]:
    messages.append({"role": "user", "content": question})
    reply = post("/chat/completions", {"model": "deepseek-reasoner", "messages": messages})
    message = reply["choices"][0]["message"]
    print(message["reasoning_content"], file=sys.stderr)
    print(message["content"], flush=True)
    # Only the answer goes back: the API refuses a reasoning_content in a request.
    messages.append({"role": "assistant", "content": message["content"]})
PROGRAM

python3 app.py 'What is a tape?' 'And a roll?'
