#!/usr/bin/env bash
# Sends the message again in the hope of money.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

for _ in range(3):
    try:
        print(post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]})["choices"][0]["message"]["content"])
        sys.exit()
    except OSError:
        pass
request = urllib.request.Request(BASE + "/user/balance", headers={"Authorization": "Bearer " + KEY})
info = json.load(urllib.request.urlopen(request))["balance_infos"][0]
print(f"error: insufficient balance: {info['total_balance']} {info['currency']}", file=sys.stderr)
sys.exit(3)
PROGRAM
