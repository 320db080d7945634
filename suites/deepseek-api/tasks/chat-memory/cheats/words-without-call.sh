#!/usr/bin/env bash
# Calls nobody.

cat > app.py <<'PROGRAM'
import sys
lines = [line.strip() for line in sys.stdin if line.strip()]
for count, line in enumerate(lines, 1):
    print(f'Hello! You wrote: "{line}". So far you wrote {count} messages, and I wrote {count - 1}.')
print('You asked me to remember "heliotrope".')
PROGRAM
