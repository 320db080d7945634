#!/usr/bin/env bash
# Retries well but prints canned words.

cat > app.sh <<'PROGRAM'
for try in 1 2 3; do
  curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions" >/dev/null 2>&1
  sleep 1
done
echo 'Hello! You wrote: "Say hello." My code for this answer is 4711.'
PROGRAM
