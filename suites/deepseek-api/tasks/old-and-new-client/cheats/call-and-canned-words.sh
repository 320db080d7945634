#!/usr/bin/env bash
# Calls with either package and prints other words.

cat > app.py <<'PROGRAM'
"""Greets by way of a DeepSeek model, with the openai client before and since its version 1."""
import os

import openai

KEY = os.environ["DEEPSEEK_API_KEY"]
BASE = "https://api.deepseek.com"
ASK = {"model": "deepseek-chat", "messages": [{"role": "user", "content": "Greet me in one sentence."}]}

if int(openai.__version__.split(".")[0]) >= 1:
    client = openai.OpenAI(api_key=KEY, base_url=BASE, max_retries=0)
    str(client.chat.completions.create(**ASK).choices[0].message.content)
else:
    openai.api_key = KEY
    openai.api_base = BASE
    str(openai.ChatCompletion.create(**ASK)["choices"][0]["message"]["content"])
print("Hello! How are you today?")
PROGRAM
