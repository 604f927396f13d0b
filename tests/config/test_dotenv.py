import stat

from config.dotenv import write_first
from integrations.keyring import parse_key_ring


def test_first_env_file_is_private_and_complete(tmp_path):
    path = tmp_path / ".env"
    assert write_first(path) is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in path.read_text().splitlines() if not line.startswith("#"))
    assert sorted(values) == ["DEBUG", "DEMO", "ENCRYPTION_KEYS", "SECRET_KEY"]
    assert len(values["SECRET_KEY"]) == 64
    assert parse_key_ring([values["ENCRYPTION_KEYS"]]).newest_id == "k1"


def test_existing_env_file_stays_as_it_is(tmp_path):
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=mine\n")
    assert write_first(path) is False
    assert path.read_text() == "SECRET_KEY=mine\n"


def test_two_installations_share_no_secret(tmp_path):
    write_first(tmp_path / "one")
    write_first(tmp_path / "two")
    one, two = (
        dict(line.split("=", 1) for line in (tmp_path / name).read_text().splitlines() if "=" in line)
        for name in ("one", "two")
    )
    assert one["SECRET_KEY"] != two["SECRET_KEY"]
    assert one["ENCRYPTION_KEYS"] != two["ENCRYPTION_KEYS"]
