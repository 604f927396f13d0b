"""The private PostgreSQL and Valkey that serve when DATABASE_URL or REDIS_URL is not set.

Note: how the servers live and die.
Each server has a *keeper*, a small detached process (`python -m config.embedded VAR NAME`) that starts it as its child
and publishes its URL. Each process that uses the server holds a shared lock on `NAME.users` for its life; the keeper
stops the server as soon as it can take that lock exclusively. A lock of the kernel's goes away with its holder, killed
or not, so no pid has to be trusted: the last user's `kill -9` stops the server, and two commands at once share it. A
keeper that is killed takes its server along (PR_SET_PDEATHSIG). Four lock files a server, in var/embedded/:

    NAME.users   shared: every user. Exclusive: the keeper while it stops; whoever comes then waits and starts another.
    NAME.start   exclusive: the one who is starting a keeper.
    NAME.keeper  exclusive: the living keeper.
    NAME.server  exclusive: inherited by the server and its children, so it is free only when all of them are gone.
"""
