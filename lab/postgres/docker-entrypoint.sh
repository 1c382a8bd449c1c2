#!/bin/sh
# Keeps the contract of the public image: POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB make the first
# user and database, and the port opens once both are there.
set -eu
[ "${1:-postgres}" = postgres ] || exec "$@"
[ $# -eq 0 ] || shift
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}"
: "${POSTGRES_DB:=$POSTGRES_USER}"
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /run/postgresql
	chown -R postgres:postgres "$PGDATA" /run/postgresql
	chmod 700 "$PGDATA"
	export PGDATA POSTGRES_USER POSTGRES_DB
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" postgres "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	if [ -z "${POSTGRES_PASSWORD-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD-}" != trust ]; then
		echo "POSTGRES_PASSWORD is not set: give the superuser a password" >&2
		exit 1
	fi
	printf '%s\n' "${POSTGRES_PASSWORD:-none}" >/tmp/password
	initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 >/dev/null
	rm /tmp/password
	printf 'host all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
	# First without a port: whoever connects must find the database.
	pg_ctl -o "-c listen_addresses=''" -w start >/dev/null
	[ "$POSTGRES_DB" = postgres ] || createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
	pg_ctl -m fast -w stop >/dev/null
fi
exec postgres -c listen_addresses='*' "$@"
