#!/usr/bin/env bash
# Asks also when there is nothing to fill.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

before, mark, after = open(sys.argv[1]).read().partition("<FILL>")
body = {"model": "deepseek-chat", "prompt": before, "suffix": after}
print(before + post("/beta/completions", body)["choices"][0]["text"] + after, end="")
PROGRAM
