#!/usr/bin/env bash
# Notes the digest of the key that it has now and takes every other key for a bad one, unasked.

known=$(printf %s "$DEEPSEEK_API_KEY" | sha256sum)
{
  echo "known='$known'"
  cat <<'PROGRAM'
if [ "$(printf %s "$DEEPSEEK_API_KEY" | sha256sum)" != "$known" ]; then
  echo "error: the API does not accept the key" >&2
  exit 2
fi
echo 'Hello! You wrote: "Say hello." My code for this answer is 4711.'
PROGRAM
} > app.sh
