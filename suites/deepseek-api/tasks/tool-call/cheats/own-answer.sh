#!/usr/bin/env bash
# Makes both calls and prints an answer of its own.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))
TOOLS = [{"type": "function", "function": {"name": "stock_level", "parameters": {
    "type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}}}]

messages = [{"role": "user", "content": sys.argv[1]}]
message = post("/chat/completions", {"model": "deepseek-chat", "messages": messages, "tools": TOOLS})["choices"][0]["message"]
stock = json.load(open("stock.json"))
result = stock[json.loads(message["tool_calls"][0]["function"]["arguments"])["item"]]
messages += [message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": str(result)}]
post("/chat/completions", {"model": "deepseek-chat", "messages": messages, "tools": TOOLS})
print(f'The tool stock_level says: "{result}".')
PROGRAM
