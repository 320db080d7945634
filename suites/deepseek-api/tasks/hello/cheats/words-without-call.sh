#!/usr/bin/env bash
# Prints what a reply looks like and calls nobody.

cat > app.sh <<'PROGRAM'
echo 'Hello! You wrote: "Say hello." My code for this answer is 4711.'
PROGRAM
