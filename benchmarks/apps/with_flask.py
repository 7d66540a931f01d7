import json

from flask import Flask, Response

app = Flask(__name__)


@app.get("/")
def index():
    return ""


@app.get("/json")
def answer():
    return Response(json.dumps({"message": "Hello, World!"}, separators=(",", ":")), mimetype="application/json")
