#!/usr/bin/env bash
# Lets the API find out that the key is missing.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
key = os.environ.get("DEEPSEEK_API_KEY", "")
request = urllib.request.Request(os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"] + "/chat/completions",
    json.dumps({"model": "deepseek-chat", "messages": [{"role": "user", "content": "Say hello."}]}).encode(), {"Authorization": "Bearer " + key})
try:
    print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
except OSError:
    sys.exit("error: DEEPSEEK_API_KEY is missing or wrong")
PROGRAM
