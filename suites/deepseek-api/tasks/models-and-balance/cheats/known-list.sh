#!/usr/bin/env bash
# Prints the models that everybody knows and asks nobody.

cat > app.sh <<'PROGRAM'
printf '%s\n' deepseek-chat deepseek-reasoner 'balance: 10.00 USD'
PROGRAM
