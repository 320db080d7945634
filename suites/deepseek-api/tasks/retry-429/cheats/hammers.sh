#!/usr/bin/env bash
# Does not wait as long as Retry-After says.

cat > app.sh <<'PROGRAM'
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  reply=$(curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions")
  case $reply in
    *rate_limit*) ;;
    *) printf '%s\n' "$reply"; exit 0 ;;
  esac
done
exit 1
PROGRAM
