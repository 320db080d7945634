#!/usr/bin/env bash
# Asks once and prints whatever comes.

cat > app.sh <<'PROGRAM'
curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions"
PROGRAM
