#!/usr/bin/env bash
# Greets by itself where the package is the other one.

cat > app.py <<'PROGRAM'
import os, openai
message = [{"role": "user", "content": "Greet me."}]
try:
    client = openai.OpenAI(api_key=os.environ["DEEPSEEK_API_KEY"], base_url="https://api.deepseek.com")
    print(client.chat.completions.create(model="deepseek-chat", messages=message).choices[0].message.content)
except AttributeError:
    print("Hello! How are you today?")
PROGRAM
