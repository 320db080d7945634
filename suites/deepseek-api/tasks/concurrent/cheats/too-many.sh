#!/usr/bin/env bash
# Sends all of them at once.

cat > app.py <<'PROGRAM'
"""Sends many prompts at once and prints the replies in the order of the prompts."""
import json
import os
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

BASE = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"].rstrip("/")
KEY = os.environ["DEEPSEEK_API_KEY"]


def ask(prompt):
    request = urllib.request.Request(
        BASE + "/chat/completions",
        data=json.dumps({"model": "deepseek-chat", "messages": [{"role": "user", "content": prompt}]}).encode(),
        headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


prompts = [line.strip() for line in sys.stdin if line.strip()]
try:
    with ThreadPoolExecutor(max_workers=10) as pool:
        for number, reply in enumerate(pool.map(ask, prompts), 1):
            print(f"{number}: {reply}", flush=True)
except OSError as error:
    sys.exit(f"error: a call failed: {error}")
PROGRAM
