# Run once in the persistent shell. Everything it needs later is a builtin, so that a command costs no process.
set +o history +H
exec 199>&1
unset ROLLTAPE_BOOT
export -n PS1 PS2
PS1= PS2= PROMPT_COMMAND='{ __rolltape_end; } 2>/dev/null'
# Takes the command from the file and marks where its output begins; keeps $?.
__rolltape_begin() {
  local s=$?
  __rolltape_n=$1
  IFS= builtin read -r -d '' __rolltape_c <"$2"
  builtin printf '\e_B%s\e\\' "$1" >&199
  [[ $- == *e* ]] && return 0
  return $s
}
# Marks where the output ends, then reports on the status pipe. Does nothing when that was done already.
__rolltape_end() {
  local s=$?
  [[ ${__rolltape_n-} ]] || return 0
  PS1= PS2= PROMPT_COMMAND='{ __rolltape_end; } 2>/dev/null'
  builtin printf '\e_E%s\e\\' "$__rolltape_n" >&199
  {
    builtin printf '%s %s\0' "$__rolltape_n" "$s"
    builtin pwd
    builtin printf '\0'
    builtin export -p
    builtin printf '\0%s\n' "$__rolltape_n"
  } >&198
  __rolltape_n= __rolltape_c=
  [[ $- == *e* ]] && return 0
  return $s
}
