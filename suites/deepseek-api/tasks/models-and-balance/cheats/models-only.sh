#!/usr/bin/env bash
# Asks for the models and makes up the balance.

cat > app.sh <<'PROGRAM'
curl -sS -H "Authorization: Bearer $DEEPSEEK_API_KEY" "$ROLLTAPE_SERVICE_DEEPSEEK_URL/models"
echo
echo 'balance: 10.00 USD'
PROGRAM
