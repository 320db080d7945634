#!/usr/bin/env bash
# Tells the balance that it saw while it was written.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

try:
    print(post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]})["choices"][0]["message"]["content"])
except OSError:
    print("error: insufficient balance: 0.00 USD", file=sys.stderr)
    sys.exit(3)
PROGRAM
