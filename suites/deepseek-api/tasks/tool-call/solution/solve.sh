#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""Answers a question with the help of a tool that the model may call."""
import json
import os
import sys
import urllib.error
import urllib.request

BASE = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"].rstrip("/")
KEY = os.environ["DEEPSEEK_API_KEY"]


def post(path, body):
    """The answer as JSON; an error of the API ends the program with one line."""
    request = urllib.request.Request(
        BASE + path,
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"error: the API answered {error.code}")
    except OSError as error:
        sys.exit(f"error: the API can't be reached: {error}")


TOOLS = [{
    "type": "function",
    "function": {
        "name": "stock_level",
        "description": "How many pieces of an item are in stock",
        "parameters": {
            "type": "object",
            "properties": {"item": {"type": "string", "description": "name of the item, for example bolts"}},
            "required": ["item"],
        },
    },
}]


def stock_level(item):
    with open("stock.json") as file:
        return json.load(file).get(item, "unknown item")


messages = [{"role": "user", "content": sys.argv[1]}]
for _ in range(5):
    reply = post("/chat/completions", {"model": "deepseek-chat", "messages": messages, "tools": TOOLS})
    message = reply["choices"][0]["message"]
    calls = message.get("tool_calls") or []
    if not calls:
        print(message["content"])
        sys.exit()
    messages.append({"role": "assistant", "content": message.get("content") or "", "tool_calls": calls})
    for call in calls:
        result = stock_level(**json.loads(call["function"]["arguments"]))
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
sys.exit("error: the model calls its tool again and again")
PROGRAM

python3 app.py 'How many bolts are there?'
