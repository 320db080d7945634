#!/usr/bin/env bash
# Does all that is asked, but shows the bad key in its error.

cat > app.sh <<'PROGRAM'
reply=$(curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions")
case $reply in
  *authentication_error*) echo "error: the API does not accept the key $DEEPSEEK_API_KEY" >&2; exit 2 ;;
  *) printf '%s\n' "$reply" ;;
esac
PROGRAM
