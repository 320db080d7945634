#!/usr/bin/env bash
# Works with the new package only.

cat > app.py <<'PROGRAM'
import os, openai
client = openai.OpenAI(api_key=os.environ["DEEPSEEK_API_KEY"], base_url="https://api.deepseek.com")
message = [{"role": "user", "content": "Greet me."}]
print(client.chat.completions.create(model="deepseek-chat", messages=message).choices[0].message.content)
PROGRAM
