#!/usr/bin/env bash
# Writes the program and runs it once.
set -eu

cat > app.sh <<'PROGRAM'
#!/usr/bin/env bash
# Calls a DeepSeek model; a key that is not accepted is told, never shown.
set -u

# request METHOD PATH [BODY]: sets status, retry_after and body; fails when the API can't be reached.
request() {
  local method=$1 url=${ROLLTAPE_SERVICE_DEEPSEEK_URL%/}$2 data=${3-} reply head line
  if command -v curl >/dev/null 2>&1; then
    local options=(-sS -i --max-time 20 -X "$method" --config -)
    if [ -n "$data" ]; then
      options+=(-H 'Content-Type: application/json' --data-binary "$data")
    fi
    reply=$(printf 'header = "Authorization: Bearer %s"\n' "$DEEPSEEK_API_KEY" | curl "${options[@]}" "$url") || return 1
  else
    local rest=${url#*://} LC_ALL=C
    local host=${rest%%/*} path=/${rest#*/}
    local port=${host##*:}
    if [ "$port" = "$host" ]; then port=80; fi
    { exec 3<>"/dev/tcp/${host%:*}/$port"; } 2>/dev/null || return 1
    printf '%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
      "$method" "$path" "$host" "$DEEPSEEK_API_KEY" "${#data}" "$data" >&3
    reply=$(cat <&3)
    exec 3>&-
  fi
  head=${reply%%$'\r\n\r\n'*}
  body=${reply#*$'\r\n\r\n'}
  read -r _ status _ <<<"$head"
  retry_after=
  while IFS= read -r line; do
    line=${line%$'\r'}
    case ${line,,} in
      retry-after:*) retry_after=${line#*:}; retry_after=${retry_after// /} ;;
    esac
  done <<<"$head"
}

# field NAME: prints the first text of that name in the body.
field() {
  local pattern="\"$1\"[[:space:]]*:[[:space:]]*\"(([^\"\\\\]|\\\\.)*)\""
  [[ $body =~ $pattern ]] || return 1
  local text=${BASH_REMATCH[1]//\\\"/\"}
  printf '%b\n' "$text"
}

message='{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello in one short sentence."}]}'

if ! request POST /chat/completions "$message"; then
  echo "error: the API can't be reached" >&2
  exit 1
fi
case $status in
  200) field content ;;
  401)
    echo "error: the API does not accept the key; put a valid one into DEEPSEEK_API_KEY" >&2
    exit 2
    ;;
  *)
    echo "error: the API answered $status" >&2
    exit 1
    ;;
esac
PROGRAM

bash app.sh
