#!/usr/bin/env bash
# Says of every stream that it broke off.

cat > app.py <<'PROGRAM'
import sys
print("Hello!")
print("tokens: 42", file=sys.stderr)
sys.exit("error: the stream ended early")
PROGRAM
