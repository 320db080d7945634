#!/usr/bin/env bash
# Asks in a chat and puts that reply into the gap.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

before, mark, after = open(sys.argv[1]).read().partition("<FILL>")
if not mark:
    sys.exit("error: no mark")
body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Fill the gap: " + before + mark + after}]}
print(before + post("/chat/completions", body)["choices"][0]["message"]["content"] + after, end="")
PROGRAM
