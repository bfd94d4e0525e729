# SIGTERM is the graceful stop: https://github.com/puma/puma/blob/v5.6.5/docs/signals.md
# A worker for each processor, each with the 5 threads that are the default:
# https://github.com/puma/puma/blob/v5.6.5/docs/deployment.md
require 'etc'

bind "tcp://127.0.0.1:#{ENV.fetch('PORT')}"
workers Etc.nprocessors
threads 5, 5
preload_app!
