#!/usr/bin/env bash
# Asks one after the other.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

for number, line in enumerate(filter(str.strip, sys.stdin), 1):
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": line.strip()}]}
    print(f'{number}: {post("/chat/completions", body)["choices"][0]["message"]["content"]}', flush=True)
PROGRAM
