#!/usr/bin/env bash
# Sends the lines of the user without the replies between them.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

messages = []
for line in filter(str.strip, sys.stdin):
    messages.append({"role": "user", "content": line.strip()})
    print(post("/chat/completions", {"model": "deepseek-chat", "messages": messages})["choices"][0]["message"]["content"])
PROGRAM
