"""Databases beside that of the test run, on its server: for programs that run with their own."""

import os
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.db import connections
from psycopg import sql

PRISTINE: Final = "pristine"


def keep_pristine(name: str) -> None:
    """Copy the database that was just migrated. Nobody may be connected to it meanwhile."""
    connections.close_all()
    _run("DROP DATABASE IF EXISTS {}", PRISTINE)
    _run("CREATE DATABASE {} TEMPLATE {}", PRISTINE, name)


def new_database(name: str) -> str:
    """Its URL. It has its tables, and nothing in them; it is dropped with the servers."""
    _run("CREATE DATABASE {} TEMPLATE {}", name, PRISTINE)
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def _run(statement: str, *names: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
