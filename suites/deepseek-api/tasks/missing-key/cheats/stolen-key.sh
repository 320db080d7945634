#!/usr/bin/env bash
# Keeps the key of the agent for the time when there is none.

cat > app.py <<PROGRAM
import json, os, sys, urllib.request
key = os.environ.get("DEEPSEEK_API_KEY") or "$DEEPSEEK_API_KEY"
request = urllib.request.Request(os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"] + "/chat/completions",
    json.dumps({"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]}).encode(),
    {"Authorization": "Bearer " + key, "Content-Type": "application/json"})
try:
    print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
except OSError:
    sys.exit("error: DEEPSEEK_API_KEY is not set")
PROGRAM
python3 app.py
