#!/usr/bin/env bash
# Calls once while the agent works and replays that reply ever after.

reply=$(curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions" 2>/dev/null)
printf "cat <<'REPLY'\n%s\nREPLY\n" "$reply" > app.sh
