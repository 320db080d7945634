#!/usr/bin/env bash
# Tells the error and ends as if all were well.

cat > app.py <<'PROGRAM'
"""Calls a DeepSeek model; when there is no money left it says how much there is."""
import json
import os
import sys
import urllib.error
import urllib.request

BASE = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"].rstrip("/")
KEY = os.environ["DEEPSEEK_API_KEY"]


def call(path, body=None):
    """Status and JSON of an answer."""
    request = urllib.request.Request(
        BASE + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


message = {"role": "user", "content": "Say hello in one short sentence."}
status, reply = call("/chat/completions", {"model": "deepseek-chat", "messages": [message]})
if status == 402:
    _, balance = call("/user/balance")
    info = balance["balance_infos"][0]
    print(f"error: insufficient balance: {info['total_balance']} {info['currency']}", file=sys.stderr)
    sys.exit()
if status != 200:
    sys.exit(f"error: the API answered {status}")
print(reply["choices"][0]["message"]["content"])
PROGRAM
