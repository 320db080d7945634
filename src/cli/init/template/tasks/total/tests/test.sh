# Other files than the agent has seen, with amounts by chance: neither knowing the answer nor reading this file helps.
# In braces, so that bash has read all of it before the agent's program runs. The workspace may be read-only here.
{
  set -u
  folder=${TMPDIR:-/tmp} a=$RANDOM b=$RANDOM
  printf 'item,amount\nnails,%s\nrope,%s\n' "$a" "$b" > "$folder/other.csv"
  printf 'item,amount\n' > "$folder/empty.csv"
  # The agent's program runs as a user who can't read this folder.
  [ "$($ROLLTAPE_AS_AGENT bash total.sh "$folder/other.csv")" = $((a + b)) ] &&
    [ "$($ROLLTAPE_AS_AGENT bash total.sh "$folder/empty.csv")" = 0 ]
  exit
}
