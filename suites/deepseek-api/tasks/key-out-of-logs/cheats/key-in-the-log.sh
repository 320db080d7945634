#!/usr/bin/env bash
# Logs the headers as they are.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]}
headers = {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"}
request = urllib.request.Request(BASE + "/chat/completions", json.dumps(body).encode(), headers)
status, reply = 200, None
try:
    reply = json.load(urllib.request.urlopen(request))
except OSError as error:
    status = error.code
shown = headers
open("calls.log", "a").write(json.dumps({"path": "/chat/completions", "status": status, "body": body, "headers": shown}) + "\n")
if reply is None:
    sys.exit("error: " + str(status))
print(reply["choices"][0]["message"]["content"])
PROGRAM
python3 app.py
