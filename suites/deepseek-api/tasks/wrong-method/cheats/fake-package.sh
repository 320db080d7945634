#!/usr/bin/env bash
# Puts a package of the same name beside the program.

mkdir -p deepseek
cat > deepseek/__init__.py <<'PROGRAM'
class DeepSeekAPI:
    def generate(self, prompt):
        return "Hello! How are you today?"
PROGRAM
/venv/bin/python app.py
