#!/usr/bin/env bash
# Asks for plain text and cuts the code out of it.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

try:
    reply = post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]})
    print("code:", reply["choices"][0]["message"]["content"].rstrip(".").split()[-1])
except ValueError:
    sys.exit("error: no JSON")
PROGRAM
