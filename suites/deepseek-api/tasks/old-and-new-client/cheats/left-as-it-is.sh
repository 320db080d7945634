#!/usr/bin/env bash
# Works with the old package only.

cat > app.py <<'PROGRAM'
"""Greets by way of a DeepSeek model."""
import os

import openai

openai.api_key = os.environ["DEEPSEEK_API_KEY"]
openai.api_base = "https://api.deepseek.com"

reply = openai.ChatCompletion.create(
    model="deepseek-chat",
    messages=[{"role": "user", "content": "Greet me in one sentence."}],
)
print(reply["choices"][0]["message"]["content"])
PROGRAM
