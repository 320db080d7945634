#!/usr/bin/env bash
# Asks for the balance and nothing else.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

request = urllib.request.Request(BASE + "/user/balance", headers={"Authorization": "Bearer " + KEY})
info = json.load(urllib.request.urlopen(request))["balance_infos"][0]
print(f"error: insufficient balance: {info['total_balance']} {info['currency']}", file=sys.stderr)
sys.exit(3)
PROGRAM
