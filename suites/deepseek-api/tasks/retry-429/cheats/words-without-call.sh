#!/usr/bin/env bash
# Plays the waiting and calls nobody.

cat > app.sh <<'PROGRAM'
echo 'the API is busy, next try in 1 s' >&2
sleep 1
echo 'Hello! You wrote: "Say hello." My code for this answer is 4711.'
PROGRAM
