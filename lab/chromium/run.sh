#!/bin/sh
# Chromium lets itself be driven from its own machine only, so socat brings in the others.
set -e
socat TCP4-LISTEN:9222,fork,reuseaddr TCP4:127.0.0.1:9223 &
exec /usr/lib/chromium/chromium-headless-shell --no-sandbox --use-gl=angle --use-angle=swiftshader --remote-debugging-port=9223 "$@"
