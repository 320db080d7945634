#!/usr/bin/env bash
# Numbers the replies as they come, last prompt first.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

from concurrent.futures import ThreadPoolExecutor
def ask(line):
    body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": line}]}
    return post("/chat/completions", body)["choices"][0]["message"]["content"]
lines = [line.strip() for line in sys.stdin if line.strip()][::-1]
with ThreadPoolExecutor(5) as pool:
    for number, reply in enumerate(pool.map(ask, lines), 1):
        print(f"{number}: {reply}")
PROGRAM
