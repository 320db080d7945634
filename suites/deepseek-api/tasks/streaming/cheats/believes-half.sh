#!/usr/bin/env bash
# Takes a stream that broke off for a whole reply.

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
try:
    for line in urllib.request.urlopen(request):
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            for choice in event["choices"]:
                print(choice["delta"].get("content") or "", end="", flush=True)
except Exception:
    pass
print()
print("tokens: 42", file=sys.stderr)
PROGRAM
