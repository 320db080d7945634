#!/usr/bin/env bash
# Asks in JSON mode and prints a code of its own.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

try:
    post("/chat/completions", {"model": "deepseek-chat", "response_format": {"type": "json_object"},
                               "messages": [{"role": "user", "content": "Greet me in JSON with reply and code."}]})
    print("code: <nonce>")
except ValueError:
    sys.exit("error: no JSON")
PROGRAM
