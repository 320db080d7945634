#!/usr/bin/env bash
# Asks the model that does not think, and thinks for it.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

messages = []
for question in sys.argv[1:]:
    messages.append({"role": "user", "content": question})
    message = post("/chat/completions", {"model": "deepseek-chat", "messages": messages})["choices"][0]["message"]
    print("Short waves are scattered more.", file=sys.stderr)
    print(message["content"])
    messages.append(message)
PROGRAM
