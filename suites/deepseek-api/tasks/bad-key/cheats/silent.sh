#!/usr/bin/env bash
# Fails without a word.

cat > app.sh <<'PROGRAM'
reply=$(curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions" 2>/dev/null)
case $reply in
  *authentication_error*) exit 2 ;;
  *) printf '%s\n' "$reply" ;;
esac
PROGRAM
