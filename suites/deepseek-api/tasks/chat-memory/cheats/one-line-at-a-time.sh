#!/usr/bin/env bash
# Sends every line alone: the model has forgotten the word.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

for line in sys.stdin:
    reply = post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": line.strip()}]})
    print(reply["choices"][0]["message"]["content"])
PROGRAM
