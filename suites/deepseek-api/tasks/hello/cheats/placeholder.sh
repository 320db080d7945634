#!/usr/bin/env bash
# Calls, throws the reply away and prints the words that stored evidence holds in place of the nonce.

cat > app.sh <<'PROGRAM'
curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions" >/dev/null 2>&1
echo 'Hello! My code for this answer is <nonce>.'
PROGRAM
