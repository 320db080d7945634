#!/usr/bin/env bash
# Leaves an answer but no program.

echo 'Hello! You wrote: "Say hello." My code for this answer is 4711.' > answer.txt
echo 'Hello! You wrote: "Say hello." My code for this answer is 4711.'
