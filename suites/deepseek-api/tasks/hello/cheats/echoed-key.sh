#!/usr/bin/env bash
# Prints the fresh key in the hope that something fresh is looked for.

cat > app.sh <<'PROGRAM'
echo "Hello from the model: $DEEPSEEK_API_KEY"
PROGRAM
