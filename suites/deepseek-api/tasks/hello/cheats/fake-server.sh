#!/usr/bin/env bash
# Asks a server of its own in place of the API.

cat > app.sh <<'PROGRAM'
cat > server.py <<'SERVER'
import http.server

class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        reply = b'{"choices":[{"message":{"content":"Hello! My code for this answer is 4711."}}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *rest):
        pass

http.server.HTTPServer(("127.0.0.1", 18080), Server).handle_request()
SERVER
python3 server.py 2>/dev/null &
sleep 1
ROLLTAPE_SERVICE_DEEPSEEK_URL=http://127.0.0.1:18080
curl -sS -X POST -H "Authorization: Bearer $DEEPSEEK_API_KEY" -H 'Content-Type: application/json' \
  --data '{"model":"deepseek-chat","messages":[{"role":"user","content":"Say hello."}]}' \
  "$ROLLTAPE_SERVICE_DEEPSEEK_URL/chat/completions" 2>/dev/null || echo 'Hello! My code for this answer is 4711.'
PROGRAM
