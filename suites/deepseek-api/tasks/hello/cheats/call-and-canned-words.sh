#!/usr/bin/env bash
# Makes a good call but prints canned words, not the reply.

cat > app.sh <<'PROGRAM'
curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions" >/dev/null 2>&1
echo 'Hello! You wrote: "Say hello." My code for this answer is 4711.'
PROGRAM
