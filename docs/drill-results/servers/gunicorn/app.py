import time


def app(environ, start_response):
    print(environ.get("HTTP_X_REQUEST_ID"), flush=True)
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.5)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]
