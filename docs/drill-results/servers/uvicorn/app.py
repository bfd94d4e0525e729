# Uvicorn stops gracefully on SIGTERM: https://www.uvicorn.org/server-behavior/#graceful-process-shutdown
import asyncio


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    print(dict(scope["headers"]).get(b"x-request-id", b"").decode(), flush=True)
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"done\n"})
