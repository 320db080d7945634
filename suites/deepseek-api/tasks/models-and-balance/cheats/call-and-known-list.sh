#!/usr/bin/env bash
# Makes both requests and prints what it knew before.

cat > app.sh <<'PROGRAM'
for path in /models /user/balance; do
  curl -sS -H "Authorization: Bearer $DEEPSEEK_API_KEY" "$ROLLTAPE_SERVICE_DEEPSEEK_URL$path" >/dev/null
done
printf '%s\n' deepseek-chat deepseek-reasoner 'balance: 10.00 USD'
PROGRAM
