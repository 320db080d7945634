#!/usr/bin/env bash
# Says that every key is bad and asks nobody.

cat > app.sh <<'PROGRAM'
echo "error: the API does not accept the key" >&2
exit 2
PROGRAM
