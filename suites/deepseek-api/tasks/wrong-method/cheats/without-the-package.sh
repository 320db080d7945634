#!/usr/bin/env bash
# Asks without the package.

cat > app.py <<'PROGRAM'
import json, os, urllib.request
request = urllib.request.Request("https://api.deepseek.com/chat/completions", json.dumps({
    "model": "deepseek-chat", "messages": [{"role": "user", "content": "Greet me."}]}).encode(),
    {"Authorization": "Bearer " + os.environ["DEEPSEEK_API_KEY"], "Content-Type": "application/json"})
print(json.load(urllib.request.urlopen(request))["choices"][0]["message"]["content"])
PROGRAM
