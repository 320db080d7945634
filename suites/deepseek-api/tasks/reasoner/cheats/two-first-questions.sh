#!/usr/bin/env bash
# Asks both questions without the talk before.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

for question in sys.argv[1:]:
    body = {"model": "deepseek-reasoner", "messages": [{"role": "user", "content": question}]}
    message = post("/chat/completions", body)["choices"][0]["message"]
    print(message["reasoning_content"], file=sys.stderr)
    print(message["content"])
PROGRAM
