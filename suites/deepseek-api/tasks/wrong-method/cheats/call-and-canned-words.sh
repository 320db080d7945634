#!/usr/bin/env bash
# Calls and prints other words.

cat > app.py <<'PROGRAM'
from deepseek import DeepSeekAPI
DeepSeekAPI().chat_completion(prompt="Greet me in one sentence.")
print("Hello! How are you today?")
PROGRAM
