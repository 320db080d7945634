#!/usr/bin/env bash
# Forgets that the variable may be empty.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ.get("DEEPSEEK_API_KEY")
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

if KEY is None:
    sys.exit("error: DEEPSEEK_API_KEY is not set")
try:
    print(post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]})["choices"][0]["message"]["content"])
except OSError:
    sys.exit("error: DEEPSEEK_API_KEY is wrong")
PROGRAM
