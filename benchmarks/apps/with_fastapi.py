from fastapi import FastAPI
from fastapi.responses import Response

app = FastAPI()


@app.get("/")
async def index() -> dict[str, str]:
    return {}


@app.get("/json")
async def answer() -> Response:
    # The framework's routing and its response, without the spaces that its encoders disagree about.
    return Response(b'{"message":"Hello, World!"}', media_type="application/json")


@app.get("/process")
def process() -> dict[str, int]:
    import os

    return {"pid": os.getpid()}
