#!/usr/bin/env bash
# Prints the words that it saw and calls nobody.

cat > app.py <<'PROGRAM'
print('Hello! You wrote: "Say hello." My code for this answer is <nonce>.')
PROGRAM
