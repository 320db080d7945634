#!/usr/bin/env bash
# Streams, throws the stream away and prints words that it knew before.

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
urllib.request.urlopen(request)
print('Hello! You wrote: "Say hello." My code for this answer is 4711.')
print("tokens: 42", file=sys.stderr)
PROGRAM
