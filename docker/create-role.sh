#!/bin/sh
# Run once by PostgreSQL's image, when its volume is new: the application's role owns its database and is no superuser.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 --set password="$HEADWATER_PASSWORD" <<'SQL'
CREATE ROLE headwater LOGIN NOSUPERUSER PASSWORD :'password';
CREATE DATABASE headwater OWNER headwater;
SQL
