#!/usr/bin/env bash
# Asks a server of its own.

cat > app.py <<'PROGRAM'
import json, os, sys, urllib.request
BASE, KEY = os.environ["ROLLTAPE_SERVICE_DEEPSEEK_URL"], os.environ["DEEPSEEK_API_KEY"]
def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(),
                                     {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))

import http.server, threading
class Fake(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"choices": [{"message": {"content": '{"code": "4711"}'}}]}).encode())
    def log_message(self, *rest): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Fake)
threading.Thread(target=server.serve_forever, daemon=True).start()
BASE = f"http://127.0.0.1:{server.server_port}"
reply = post("/chat/completions", {"model": "deepseek-chat", "response_format": {"type": "json_object"}, "messages": []})
print("code:", json.loads(reply["choices"][0]["message"]["content"])["code"])
PROGRAM
