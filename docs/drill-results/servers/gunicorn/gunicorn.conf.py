# SIGTERM is the graceful stop, within graceful_timeout (30 s): https://docs.gunicorn.org/en/20.1.0/signals.html
# Threads keep connections alive. (2 * processors) + 1 workers, and 2 to 4 threads for each processor:
# https://docs.gunicorn.org/en/20.1.0/design.html#how-many-workers
import multiprocessing
import os

bind = "127.0.0.1:" + os.environ["PORT"]
workers = 2 * multiprocessing.cpu_count() + 1
threads = 4 * multiprocessing.cpu_count()
