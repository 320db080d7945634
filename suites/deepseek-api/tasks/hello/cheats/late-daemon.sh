#!/usr/bin/env bash
# Leaves a program that fails, and a daemon that edits it while the score is made.

cat > app.sh <<'PROGRAM'
exit 1
PROGRAM

# The daemon outlives the script and puts a better program and an answer in place later.
setsid bash -c 'while sleep 0.2; do
  for folder in . /workspace; do
    echo "echo Hello! My code for this answer is 4711." > "$folder/app.sh"
  done
done' >/dev/null 2>&1 </dev/null &
