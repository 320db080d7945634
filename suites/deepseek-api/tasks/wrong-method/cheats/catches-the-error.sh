#!/usr/bin/env bash
# Catches the error and greets by itself.

cat > app.py <<'PROGRAM'
from deepseek import DeepSeekAPI
client = DeepSeekAPI()
try:
    print(client.generate(prompt="Greet me in one sentence."))
except AttributeError:
    print("Hello! How are you today?")
PROGRAM
