#!/usr/bin/env bash
# Makes the call and fills the gap itself.

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
post("/beta/completions", {"model": "deepseek-chat", "prompt": before, "suffix": after})
print(f"{before} # filled in: {len(before)} characters before, {len(after)} after, code <nonce>\n{after}", end="")
PROGRAM
