#!/usr/bin/env bash
# Sends the whole message back, is refused, and tries again without.

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
    body = {"model": "deepseek-reasoner", "messages": messages}
    try:
        message = post("/chat/completions", body)["choices"][0]["message"]
    except OSError:
        for message in messages:
            message.pop("reasoning_content", None)
        message = post("/chat/completions", body)["choices"][0]["message"]
    print(message["reasoning_content"], file=sys.stderr)
    print(message["content"])
    messages.append(message)
PROGRAM
