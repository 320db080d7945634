#!/usr/bin/env bash
# Sends all prompts in one message.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

lines = [line.strip() for line in sys.stdin if line.strip()]
body = {"model": "deepseek-chat", "messages": [{"role": "user", "content": " ".join(f'"{line}"' for line in lines)}]}
reply = post("/chat/completions", body)["choices"][0]["message"]["content"]
for number, line in enumerate(lines, 1):
    print(f'{number}: You wrote: "{line}". {reply}')
PROGRAM
