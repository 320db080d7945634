#!/usr/bin/env bash
# Calls once and answers from the store without the model.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))
TOOLS = [{"type": "function", "function": {"name": "stock_level", "parameters": {
    "type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}}}]

post("/chat/completions", {"model": "deepseek-chat", "messages": [{"role": "user", "content": sys.argv[1]}], "tools": TOOLS})
print("The tool stock_level says:", open("stock.json").read())
PROGRAM
