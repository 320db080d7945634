# Run once in the persistent shell. Everything it needs later is a builtin, so that a command costs no process.
set +o history +H
exec 199>&1
unset ROLLTAPE_BOOT
export -n PS1 PS2
PS1= PS2= PROMPT_COMMAND='__rolltape_end $?'
# Takes the command from the file $2, or as $3, and marks where its output begins. With $4 it is run as the prompt's command.
__rolltape_begin() {
  __rolltape_c=$3
  if [[ $2 ]]; then IFS= builtin read -r -d '' __rolltape_c <"$2" || :; fi
  # Forgets the jobs that have ended.
  builtin jobs >/dev/null
  builtin printf '\e_B%s\e\\' "$1" >&199
  __rolltape_n=$1
  if [[ $4 == prompt ]]; then
    builtin unset -v PROMPT_COMMAND
    # It is a copy that runs: after an interrupt the prompt must not run the command again.
    PROMPT_COMMAND='PROMPT_COMMAND='\''__rolltape_end $?'\''; __rolltape_keep; builtin eval -- "$__rolltape_c" 197>&- 198>&- 199>&-; __rolltape_end $?'
  fi
  \exec 2>&197 || \exec 2>&-
}
# Brings $? back, unless somebody waits for failures.
__rolltape_keep() {
  [[ ${__rolltape_last-0} == 0 || $- == *e* || $(builtin trap -p ERR) ]] || return "$__rolltape_last"
}
# Marks where the output ends, then reports on the status pipe. Does nothing when that was done already.
__rolltape_end() {
  [[ ${__rolltape_n-} ]] || return 0
  \exec 197>&2 2>/dev/null || \exec 197>&- 2>/dev/null
  builtin unset -v PROMPT_COMMAND
  PS1= PS2= PROMPT_COMMAND='__rolltape_end $?'
  builtin printf '\e_E%s\e\\' "$__rolltape_n" >&199
  {
    builtin printf '%s %s\0' "$__rolltape_n" "$1"
    builtin pwd
    builtin printf '\0'
    builtin export -p
    builtin printf '\0%s\n' "$__rolltape_n"
  } >&198
  __rolltape_n= __rolltape_c=
  __rolltape_last=$1
}
