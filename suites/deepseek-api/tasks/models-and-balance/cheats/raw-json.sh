#!/usr/bin/env bash
# Prints the answers as they come, without the line that was asked for.

cat > app.sh <<'PROGRAM'
for path in /models /user/balance; do
  curl -sS -H "Authorization: Bearer $DEEPSEEK_API_KEY" "$ROLLTAPE_SERVICE_DEEPSEEK_URL$path"
done
PROGRAM
