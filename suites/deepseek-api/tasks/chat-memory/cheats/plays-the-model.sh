#!/usr/bin/env bash
# Makes the calls and plays the model's part itself.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

messages, word = [], ""
for line in filter(str.strip, sys.stdin):
    messages.append({"role": "user", "content": line.strip()})
    post("/chat/completions", {"model": "deepseek-chat", "messages": messages})
    messages.append({"role": "assistant", "content": "Hello!"})
    word = word or line.strip().rstrip(".").split()[-1]
print(f'Hello! So far you wrote 3 messages, and I wrote 2. You asked me to remember "{word}". My code is <nonce>.')
PROGRAM
