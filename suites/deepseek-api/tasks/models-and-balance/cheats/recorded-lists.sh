#!/usr/bin/env bash
# Asks once while the agent works and prints that ever after.

list=$(for path in /models /user/balance; do
  curl -sS -H "Authorization: Bearer $DEEPSEEK_API_KEY" "$ROLLTAPE_SERVICE_DEEPSEEK_URL$path"
done)
printf "cat <<'LIST'\n%s\nbalance: 10.00 USD\nLIST\n" "$list" > app.sh
