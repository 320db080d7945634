#!/usr/bin/env bash
# Prints the object, not its field.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

try:
    reply = post("/chat/completions", {"model": "deepseek-chat", "response_format": {"type": "json_object"},
                                       "messages": [{"role": "user", "content": "Greet me in JSON with reply and code."}]})
    print("code:", reply["choices"][0]["message"]["content"])
except ValueError:
    sys.exit("error: no JSON")
PROGRAM
