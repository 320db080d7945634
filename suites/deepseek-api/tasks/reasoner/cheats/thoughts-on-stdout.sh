#!/usr/bin/env bash
# Prints thoughts and answers to the same place.

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
    message = post("/chat/completions", {"model": "deepseek-reasoner", "messages": messages})["choices"][0]["message"]
    print(message["reasoning_content"], message["content"])
    messages.append({"role": "assistant", "content": message["content"]})
PROGRAM
