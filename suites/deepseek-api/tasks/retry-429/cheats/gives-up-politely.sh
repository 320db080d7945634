#!/usr/bin/env bash
# Takes a 429 for a reply.

cat > app.sh <<'PROGRAM'
reply=$(curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions")
case $reply in
  *rate_limit*) echo 'Hello! The API is busy.'; exit 0 ;;
esac
printf '%s\n' "$reply"
PROGRAM
