#!/usr/bin/env bash
# Ends in a traceback, which also names the variable.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

print(post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]})["choices"][0]["message"]["content"])
PROGRAM
