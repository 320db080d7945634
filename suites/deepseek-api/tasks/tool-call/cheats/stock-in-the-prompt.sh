#!/usr/bin/env bash
# Puts the whole store into the prompt and offers no tool.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

content = sys.argv[1] + " The stock is " + open("stock.json").read()
print(post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": content}]})["choices"][0]["message"]["content"])
PROGRAM
