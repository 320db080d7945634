#!/usr/bin/env bash
# Says of every key that it is missing.

cat > app.py <<'PROGRAM'
import sys
sys.exit("error: DEEPSEEK_API_KEY is not set")
PROGRAM
