#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""Calls a DeepSeek model; without a key it says so and calls nobody."""
import json
import os
import sys
import urllib.error
import urllib.request

KEY = os.environ.get("DEEPSEEK_API_KEY", "").strip()
if not KEY:
    sys.exit("error: DEEPSEEK_API_KEY is not set; put your key into that variable")

request = urllib.request.Request(
    os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"].rstrip("/") + "/chat/completions",
    data=json.dumps({
        "model": "deepseek-chat",
        "messages": [{"role": "user", "content": "Say hello in one short sentence."}],
    }).encode(),
    headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
)
try:
    with urllib.request.urlopen(request, timeout=20) as answer:
        print(json.load(answer)["choices"][0]["message"]["content"])
except urllib.error.HTTPError as error:
    sys.exit(f"error: the API answered {error.code}")
except OSError as error:
    sys.exit(f"error: the API can't be reached: {error}")
PROGRAM

python3 app.py
if env -u DEEPSEEK_API_KEY python3 app.py; then exit 1; fi
