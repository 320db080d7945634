#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.py <<'PROGRAM'
"""Greets by way of a DeepSeek model."""
from deepseek import DeepSeekAPI


def main():
    # The key is read from DEEPSEEK_API_KEY.
    client = DeepSeekAPI()
    print(client.chat_completion(prompt="Greet me in one sentence.", model="deepseek-chat"))


main()
PROGRAM

/venv/bin/python app.py
